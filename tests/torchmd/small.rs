//! A small model of TorchMD as text and as a pickle: a checkpoint, a force field and a topology.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;

use flashschnet::io::import::{Import, import};
use flashschnet::model::Model;

use crate::pt::{self, Py, dict, f32s};

/// The residues have bead types that the small network knows.
pub(crate) const SEQUENCE: &str = "AGFYAG";

pub(crate) const FIELD: &str = "\
bonds:
  (X, X):
    k0: 60
    req: 3.8
dihedrals:
  (X, X, X, X):
    terms:
    - {phi_k: 0.2, phase: -130.5, per: 1}
    - {phi_k: 0.33, phase: -98, per: 2}
lj:
  X:
    epsilon: 1500
    sigma: 1.0
masses:
  CAA: 12.0
  CAF: 12.0
  CAG: 12.0
  CAY: 12.0
";

/// A topology with a bond for each two residues in a row, and a dihedral for each four.
pub(crate) fn psf() -> String {
    let names = [('A', "ALA"), ('G', "GLY"), ('F', "PHE"), ('Y', "TYR")];
    let n = SEQUENCE.len();
    let mut text = format!("PSF\n\n{n} !NATOM\n");
    for (k, letter) in SEQUENCE.chars().enumerate() {
        let name = names.iter().find(|(of, _)| *of == letter).unwrap().1;
        text += &format!("{} A {} {name} CA CA{letter} 0.0 0.0 0\n", 10 * k + 2, k + 1);
    }
    for (title, order) in [("NBOND: bonds", 2), ("NPHI: dihedrals", 4)] {
        text += &format!("\n{} !{title}\n", n + 1 - order);
        for first in 1..=n + 1 - order {
            let beads = (first..first + order).map(|bead| format!(" {bead}"));
            text += &beads.collect::<String>();
        }
        text += "\n";
    }
    text
}

pub(crate) const TYPES: i64 = 5;
pub(crate) const HIDDEN: i64 = 4;
pub(crate) const RADIAL: i64 = 3;

/// The values of a tensor, which depend on its name, but not on the version.
pub(crate) fn values(name: &str, shape: &[i64]) -> Vec<f32> {
    let name = name.replace(".layers", "");
    let seed = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte));
    let n = shape.iter().product::<i64>() as u32;
    let mix = |k: u32| (k ^ seed).wrapping_mul(2_654_435_761) >> 8;
    (0..n).map(|k| mix(mix(k)) as f32 / 8_388_608.0 - 1.0).collect()
}

/// The tensors of a network, without the prefix that Lightning adds.
pub(crate) fn state(layers: &str) -> Vec<(String, Vec<i64>)> {
    let (h, k) = (HIDDEN, RADIAL);
    let mut all = vec![
        ("mean".to_owned(), vec![]),
        ("std".to_owned(), vec![]),
        ("representation_model.embedding.weight".to_owned(), vec![TYPES, h]),
        ("representation_model.distance_expansion.means".to_owned(), vec![k]),
        ("representation_model.distance_expansion.betas".to_owned(), vec![k]),
    ];
    for b in 0..2 {
        let part = [
            ("mlp.0.weight", vec![h, k]),
            ("mlp.0.bias", vec![h]),
            ("mlp.2.weight", vec![h, h]),
            ("mlp.2.bias", vec![h]),
            ("conv.lin1.weight", vec![h, h]),
            ("conv.lin2.weight", vec![h, h]),
            ("conv.lin2.bias", vec![h]),
            ("lin.weight", vec![h, h]),
            ("lin.bias", vec![h]),
        ];
        let block = format!("representation_model.interactions.{b}");
        all.extend(part.map(|(name, shape)| (format!("{block}.{name}"), shape)));
    }
    let readout = [
        ("0.weight", vec![h / 2, h]),
        ("0.bias", vec![h / 2]),
        ("2.weight", vec![1, h / 2]),
        ("2.bias", vec![1]),
    ];
    let network = format!("output_model.output_network{layers}");
    all.extend(readout.map(|(name, shape)| (format!("{network}.{name}"), shape)));
    all
}

pub(crate) fn parameters() -> Vec<(&'static str, Py)> {
    vec![
        ("model", "graph-network".into()),
        ("output_model", "Scalar".into()),
        ("embedding_dimension", Py::Int(HIDDEN)),
        ("num_layers", Py::Int(2)),
        ("num_rbf", Py::Int(RADIAL)),
        ("rbf_type", "expnorm".into()),
        ("activation", "tanh".into()),
        ("cutoff_lower", Py::Float(3.0)),
        ("cutoff_upper", Py::Int(12)),
        ("neighbor_embedding", Py::Bool(false)),
        ("max_num_neighbors", Py::Int(128)),
        ("prior_model", Py::None),
        ("derivative", Py::Bool(true)),
        ("atom_filter", Py::Int(-1)),
        ("charge", Py::Bool(false)),
        ("box_vecs", Py::None),
        ("reduce_op", "add".into()),
    ]
}

/// A checkpoint. `more` replaces hyperparameters, or removes those of no value, and adds tensors.
pub(crate) struct Checkpoint {
    pub(crate) prefix: &'static str,
    pub(crate) layers: &'static str,
    pub(crate) changed: Vec<(&'static str, Option<Py>)>,
    pub(crate) more: Vec<(String, Py)>,
    /// A tensor that is left out.
    pub(crate) left_out: String,
    pub(crate) container: fn(Vec<(Py, Py)>) -> Py,
}

impl Default for Checkpoint {
    fn default() -> Self {
        let (prefix, layers) = ("model.", "");
        Checkpoint {
            prefix,
            layers,
            changed: vec![],
            more: vec![],
            left_out: String::new(),
            container: Py::Dict,
        }
    }
}

impl Checkpoint {
    pub(crate) fn import(self) -> flashschnet::Result<Import> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.ckpt");
        self.write(&path);
        import(&path)
    }

    pub(crate) fn write(self, path: &Path) {
        std::fs::write(path, pt::file(&self.content())).unwrap();
    }

    /// The content of the file.
    pub(crate) fn content(self) -> Py {
        let tensor = |(name, shape): (String, Vec<i64>)| {
            (Py::Str(format!("{}{name}", self.prefix)), f32s(&shape, values(&name, &shape)))
        };
        let mut all = state(self.layers);
        all.retain(|(name, _)| *name != self.left_out);
        let mut tensors: Vec<_> = all.into_iter().map(tensor).collect();
        tensors.extend(self.more.into_iter().map(|(name, value)| (Py::Str(name), value)));
        let mut all = parameters();
        for (name, value) in self.changed {
            all.retain(|(key, _)| *key != name);
            all.extend(value.map(|value| (name, value)));
        }
        let all = all.into_iter().map(|(name, value)| (name.into(), value)).collect();
        dict([("state_dict", Py::Dict(tensors)), ("hyper_parameters", (self.container)(all))])
    }

    pub(crate) fn model(self) -> Model {
        self.import().unwrap().model.unwrap()
    }

    pub(crate) fn refusal(self) -> String {
        self.import().unwrap_err().to_string()
    }
}

pub(crate) fn changed(name: &'static str, value: impl Into<Option<Py>>) -> Checkpoint {
    Checkpoint { changed: vec![(name, value.into())], ..Checkpoint::default() }
}
