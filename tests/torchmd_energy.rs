//! Energies of TorchMD checkpoints of many forms, against the equations of the network written down
//! once more, from the tensors of the checkpoint.

use std::collections::HashMap;
use std::sync::Arc;

use flashschnet::engine::{Engine, Terms};
use flashschnet::io::import::import;
use flashschnet::model::Model;
use flashschnet::structure::{Structure, Topology};
use flashschnet::system::System;

use crate::common::{Backend, assert_close, chain, numbers, truth};
use crate::pt::{self, Py, dict};

with_tables!(agrees_with_the_equations);

const TYPES: usize = 5;
const BEADS: usize = 11;

/// A form of the network. The readout has half the width of the features.
#[derive(Clone, Copy)]
struct Form {
    blocks: usize,
    hidden: usize,
    radial: usize,
    gaussian: bool,
    neighbors: bool,
    cutoffs: [f64; 2],
    activation: &'static str,
    /// The bytes of a number.
    precision: usize,
    /// Whether the names are those of 2026.
    is_new: bool,
    mean_and_std: [f64; 2],
    atomref: Option<bool>,
}

const PLAIN: Form = Form {
    blocks: 2,
    hidden: 6,
    radial: 5,
    gaussian: false,
    neighbors: false,
    cutoffs: [3.0, 12.0],
    activation: "tanh",
    precision: 8,
    is_new: false,
    mean_and_std: [0.0, 1.0],
    atomref: None,
};

fn forms() -> Vec<Form> {
    let scaled = Form { mean_and_std: [-120.5, 3.25], is_new: true, ..PLAIN };
    let mut forms = vec![
        PLAIN,
        Form { is_new: true, ..PLAIN },
        Form { precision: 4, blocks: 6, ..PLAIN },
        Form { precision: 2, blocks: 1, is_new: true, ..PLAIN },
        Form { radial: 1, hidden: 2, ..PLAIN },
        Form { radial: 64, hidden: 32, atomref: Some(true), ..scaled },
        Form { atomref: Some(true), is_new: false, ..scaled },
        Form { mean_and_std: [2.0, -0.5], atomref: Some(false), is_new: true, ..PLAIN },
        Form { neighbors: true, mean_and_std: [2.0, 0.5], atomref: Some(true), ..PLAIN },
    ];
    for cutoffs in [[0.0, 5.0], [0.0, 12.0], [1.5, 9.25]] {
        for gaussian in [false, true] {
            let is_new = gaussian;
            forms.push(Form { cutoffs, gaussian, is_new, ..PLAIN });
            forms.push(Form { cutoffs, gaussian, neighbors: true, ..PLAIN });
        }
    }
    for activation in ["ssp", "silu", "swish", "sigmoid", "mish"] {
        forms.push(Form { activation, neighbors: activation == "mish", is_new: true, ..PLAIN });
    }
    forms
}

/// A tensor: its shape and its values.
type Tensors = HashMap<String, (Vec<usize>, Vec<f64>)>;

impl Form {
    /// Tensors with the names of 2021 and without a prefix. The files hold exactly these values.
    fn tensors(&self) -> Tensors {
        let (h, k) = (self.hidden, self.radial);
        let [lower, upper] = self.cutoffs;
        let mut tensors = Tensors::new();
        let mut put = |name: &str, shape: &[usize], values: Vec<f64>| {
            let values = values.into_iter().map(|x| f64::from(half::f16::from_f64(x)));
            tensors.insert(name.to_owned(), (shape.to_vec(), values.collect()));
        };
        for (name, value) in ["mean", "std"].into_iter().zip(self.mean_and_std) {
            put(name, &[], vec![value]);
        }
        let basis = |part: &str| format!("representation_model.distance_expansion.{part}");
        let step = |first: f64, last: f64, i: usize| {
            first + (last - first) * i as f64 / (k as f64 - 1.0).max(1.0)
        };
        if self.gaussian {
            put(&basis("coeff"), &[], vec![-0.3]);
            put(&basis("offset"), &[k], (0..k).map(|i| step(lower, upper, i)).collect());
        } else {
            put(&basis("means"), &[k], (0..k).map(|i| step(-0.1, 0.9, i)).collect());
            put(&basis("betas"), &[k], (0..k).map(|i| step(2.0, 9.0, i)).collect());
        }
        let mut seed = 700;
        let mut random = |name: &str, shape: &[usize]| {
            seed += 1;
            let n_in = shape.last().copied().unwrap_or(1) as f64;
            put(name, shape, numbers(seed, shape.iter().product(), (3.0 / n_in).sqrt()));
        };
        random("representation_model.embedding.weight", &[TYPES, h]);
        if self.neighbors {
            let name = |part: &str| format!("representation_model.neighbor_embedding.{part}");
            random(&name("embedding.weight"), &[TYPES, h]);
            random(&name("distance_proj.weight"), &[h, k]);
            random(&name("distance_proj.bias"), &[h]);
            random(&name("combine.weight"), &[h, 2 * h]);
            random(&name("combine.bias"), &[h]);
        }
        for b in 0..self.blocks {
            let mut layer = |part: &str, n_in: usize, bias: bool| {
                let name = format!("representation_model.interactions.{b}.{part}");
                random(&format!("{name}.weight"), &[h, n_in]);
                if bias {
                    random(&format!("{name}.bias"), &[h]);
                }
            };
            layer("mlp.0", k, true);
            layer("mlp.2", h, true);
            layer("conv.lin1", h, false);
            layer("conv.lin2", h, true);
            layer("lin", h, true);
        }
        let network = "output_model.output_network";
        random(&format!("{network}.0.weight"), &[h / 2, h]);
        random(&format!("{network}.0.bias"), &[h / 2]);
        random(&format!("{network}.2.weight"), &[1, h / 2]);
        random(&format!("{network}.2.bias"), &[1]);
        if self.atomref.is_some() {
            random("atomref", &[TYPES, 1]);
        }
        tensors
    }

    fn tensor(&self, shape: &[usize], values: &[f64]) -> Py {
        let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        let bytes = |of: &dyn Fn(f64) -> Vec<u8>| values.iter().flat_map(|x| of(*x)).collect();
        match self.precision {
            8 => pt::tensor("DoubleStorage", 8, &shape, bytes(&|x| x.to_le_bytes().to_vec())),
            4 => {
                let data = bytes(&|x| (x as f32).to_le_bytes().to_vec());
                pt::tensor("FloatStorage", 4, &shape, data)
            }
            _ => {
                let data = bytes(&|x| half::f16::from_f64(x).to_le_bytes().to_vec());
                pt::tensor("HalfStorage", 2, &shape, data)
            }
        }
    }

    fn model(&self, tensors: &Tensors) -> Model {
        let prior = if self.is_new { "prior_model.0" } else { "prior_model" };
        let network = "output_model.output_network.";
        let newer = if self.is_new { "output_model.output_network.layers." } else { network };
        let mut state = Vec::new();
        for (name, (shape, values)) in tensors {
            let name = match name.as_str() {
                "atomref" => format!("{prior}.atomref.weight"),
                name => name.replace(network, newer),
            };
            if name.contains(".mlp.") {
                let copy = name.replace(".mlp.", ".conv.net.");
                state.push((format!("model.{copy}"), self.tensor(shape, values)));
            }
            state.push((format!("model.{name}"), self.tensor(shape, values)));
        }
        if self.is_new {
            let name = "model.representation_model.distance.box";
            state.push((name.to_owned(), self.tensor(&[3, 3], &[0.0; 9])));
        }
        let state = state.into_iter().map(|(name, value)| (Py::Str(name), value)).collect();
        let prior = self.atomref.map_or(Py::None, |_| "Atomref".into());
        let enable = dict([("enable", Py::Bool(self.atomref.unwrap_or(true)))]);
        let parameters = dict([
            ("model", "graph-network".into()),
            ("output_model", "Scalar".into()),
            ("rbf_type", if self.gaussian { "gauss" } else { "expnorm" }.into()),
            ("activation", self.activation.into()),
            ("cutoff_lower", Py::Float(self.cutoffs[0])),
            ("cutoff_upper", Py::Float(self.cutoffs[1])),
            ("neighbor_embedding", Py::Bool(self.neighbors)),
            ("prior_model", prior),
            ("prior_args", enable),
        ]);
        let file = dict([("state_dict", Py::Dict(state)), ("hyper_parameters", parameters)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.ckpt");
        std::fs::write(&path, pt::file(&file)).unwrap();
        import(&path).unwrap().model.unwrap()
    }

    fn act(&self, x: f64) -> f64 {
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        match self.activation {
            "tanh" => x.tanh(),
            "ssp" => softplus(x) - f64::from(std::f32::consts::LN_2),
            "sigmoid" => 1.0 / (1.0 + (-x).exp()),
            "mish" => x * softplus(x).tanh(),
            _ => x / (1.0 + (-x).exp()),
        }
    }

    /// The energy of one molecule.
    fn energy(&self, tensors: &Tensors, types: &[u32], positions: &[[f64; 3]]) -> f64 {
        let of = |name: &str| &tensors[name].1[..];
        let linear = |name: &str, x: &[f64]| -> Vec<f64> {
            let rows = of(&format!("{name}.weight")).chunks_exact(x.len());
            let bias = tensors.get(&format!("{name}.bias")).map(|(_, bias)| &bias[..]);
            let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            rows.enumerate().map(|(o, row)| dot(row) + bias.map_or(0.0, |bias| bias[o])).collect()
        };
        let act = |x: Vec<f64>| -> Vec<f64> { x.into_iter().map(|x| self.act(x)).collect() };
        let row = |name: &str, i: usize| -> Vec<f64> {
            of(name)[types[i] as usize * self.hidden..][..self.hidden].to_vec()
        };
        let [lower, upper] = self.cutoffs;
        let pi = std::f64::consts::PI;
        // For each pair in range: both beads, the envelope and the radial functions.
        let mut pairs = Vec::new();
        for i in 0..positions.len() {
            for j in 0..positions.len() {
                let square = |c: usize| (positions[i][c] - positions[j][c]).powi(2);
                let d = (0..3).map(square).sum::<f64>().sqrt();
                if i == j || d < lower || d >= upper {
                    continue;
                }
                let cosine = 0.5 * ((pi * d / upper).cos() + 1.0);
                let place = 2.0 * (d - lower) / (upper - lower) + 1.0;
                let bump = 0.5 * ((pi * place).cos() + 1.0);
                let basis =
                    |part: &str| of(&format!("representation_model.distance_expansion.{part}"));
                let functions: Vec<f64> = if self.gaussian {
                    let coeff = basis("coeff")[0];
                    basis("offset").iter().map(|x| (coeff * (d - x).powi(2)).exp()).collect()
                } else {
                    let inner = (5.0 / (upper - lower) * (lower - d)).exp();
                    let both = basis("means").iter().zip(basis("betas"));
                    both.map(|(m, b)| cosine * (-b * (inner - m).powi(2)).exp()).collect()
                };
                pairs.push((i, j, if lower > 0.0 { bump } else { cosine }, functions));
            }
        }
        // The sums over neighbors of a filter times features.
        let gather = |filter: &dyn Fn(&[f64]) -> Vec<f64>, features: &[Vec<f64>]| {
            let mut sums = vec![vec![0.0; self.hidden]; positions.len()];
            for (i, j, envelope, functions) in &pairs {
                for (c, w) in filter(functions).into_iter().enumerate() {
                    sums[*i][c] += envelope * w * features[*j][c];
                }
            }
            sums
        };
        let beads = 0..positions.len();
        let embedding = |name: &str| beads.clone().map(|i| row(name, i)).collect::<Vec<_>>();
        let mut features = embedding("representation_model.embedding.weight");
        if self.neighbors {
            let name = |part: &str| format!("representation_model.neighbor_embedding.{part}");
            let filter = |x: &[f64]| linear(&name("distance_proj"), x);
            let sums = gather(&filter, &embedding(&name("embedding.weight")));
            for (h, sum) in features.iter_mut().zip(sums) {
                *h = linear(&name("combine"), &[&h[..], &sum].concat());
            }
        }
        for b in 0..self.blocks {
            let name = |part: &str| format!("representation_model.interactions.{b}.{part}");
            let filter = |x: &[f64]| linear(&name("mlp.2"), &act(linear(&name("mlp.0"), x)));
            let inputs: Vec<_> = features.iter().map(|h| linear(&name("conv.lin1"), h)).collect();
            for (h, sum) in features.iter_mut().zip(gather(&filter, &inputs)) {
                let change = linear(&name("lin"), &act(linear(&name("conv.lin2"), &sum)));
                h.iter_mut().zip(change).for_each(|(h, change)| *h += change);
            }
        }
        let network = |part| format!("output_model.output_network.{part}");
        let of_bead = |(i, h): (usize, &Vec<f64>)| {
            let energy = linear(&network(2), &act(linear(&network(0), h)))[0];
            let atomref = match self.atomref {
                Some(true) => of("atomref")[types[i] as usize],
                _ => 0.0,
            };
            of("std")[0] * energy + atomref
        };
        of("mean")[0] + features.iter().enumerate().map(of_bead).sum::<f64>()
    }
}

fn structures() -> Vec<Structure> {
    let bare = |seed| {
        let Structure { topology, positions, .. } = chain(BEADS, seed);
        let topology = Topology { lists: vec![], ..Topology::clone(&topology) };
        Structure { topology: Arc::new(topology), positions, velocities: None }
    };
    let mut all = vec![bare(3), bare(4)];
    all[1].topology = all[0].topology.clone();
    all
}

/// Calls `check` for every `step`th form with a description, a system, its positions, and the
/// energies of the molecules.
fn for_each(step: usize, check: impl Fn(&str, System, &[[f64; 3]], &[f64])) {
    let structures = structures();
    let positions: Vec<_> = structures.iter().flat_map(|s| s.positions.clone()).collect();
    for (f, form) in forms().iter().enumerate().step_by(step) {
        let tensors = form.tensors();
        let model = form.model(&tensors);
        let energy = |s: &Structure| form.energy(&tensors, &s.topology.types, &s.positions);
        let energies: Vec<_> = structures.iter().map(energy).collect();
        let system = System::new(&model, &structures).unwrap();
        check(&format!("form {f}"), system, &positions, &energies);
    }
}

#[test]
fn reference_agrees_with_the_equations() {
    for_each(1, |what, system, positions, expected| {
        let mut engine = truth(system);
        engine.set_positions(positions).unwrap();
        let found = engine.evaluate(Terms::Total).unwrap().energy;
        assert_close(what, &found, expected, 1e-13);
    });
}

/// A device takes long to compile the shaders of a form. Every fifth form has all parts of
/// networks.
fn agrees_with_the_equations(backend: &Backend) {
    for_each(5, |what, system, positions, expected| {
        let mut engine = backend.still(system.clone());
        engine.set_positions(positions).unwrap();
        let found = engine.evaluate(Terms::Total).unwrap();
        assert_close(what, &found.energy, expected, 1e-5);
        let mut reference = truth(system);
        reference.set_positions(positions).unwrap();
        let forces = reference.evaluate(Terms::Total).unwrap().forces;
        assert_close(what, found.forces.as_flattened(), forces.as_flattened(), 3e-5);
    });
}
