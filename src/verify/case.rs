//! A reference case: a JSON manifest and the safetensors file it names.

mod priors;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::engine::Integrator;
use crate::error::{Error, OfFile, Result};
use crate::model::{
    Activation, Cutoff, Interaction, Linear, Model, RadialBasis, RadialFunctions, SchNet,
};
use crate::simulation::Settings;
use crate::system::{Structure, Topology};

/// A case as loaded: manifest, tensors, and where they came from.
pub(crate) struct Case {
    pub(crate) manifest: Value,
    tensors: Vec<u8>,
    /// Of the manifest; `None` for what is built into the binary.
    path: Option<PathBuf>,
}

/// Shape and values of a tensor, widened to f64.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Tensor {
    pub(crate) fn vectors(&self) -> Vec<[f64; 3]> {
        self.values.as_chunks::<3>().0.to_vec()
    }
}

/// What a case can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Energies and forces of structures.
    Static,
    /// Steps with given random numbers.
    Trajectory,
}

/// Where replicas stand, and how they move.
pub(crate) struct Start {
    pub(crate) model: Model,
    pub(crate) structures: Vec<Structure>,
    /// With a seed of no meaning.
    pub(crate) settings: Settings,
}

impl Case {
    /// Whether a JSON object is a case: it has `file` and `tensors`.
    pub(crate) fn is_case(manifest: &Value) -> bool {
        manifest.get("file").is_some_and(Value::is_string) && manifest.get("tensors").is_some()
    }

    pub(crate) fn read_manifest(path: &Path) -> Result<Value> {
        let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::invalid("manifest", error, "a JSON object").of_file(path))
    }

    pub(crate) fn open(path: &Path) -> Result<Self> {
        let manifest = Self::read_manifest(path)?;
        if !Self::is_case(&manifest) {
            let error = Error::invalid("manifest", "other JSON", "an object with file and tensors");
            return Err(error.of_file(path));
        }
        // A manifest names a file beside it, and nothing else on this machine.
        let file = Path::new(manifest["file"].as_str().unwrap_or_default());
        let Some(file_name) = file.file_name().filter(|name| Path::new(name) == file) else {
            let error = Error::invalid("file", file.display(), "the name of a file beside it");
            return Err(error.of_file(path));
        };
        let tensors_path = path.with_file_name(file_name);
        let tensors =
            std::fs::read(&tensors_path).map_err(|error| Error::io(&tensors_path, error))?;
        Self::new(manifest, tensors, Some(path.to_owned())).of_file(&tensors_path)
    }

    pub(crate) fn built_in(manifest: &[u8], tensors: &[u8]) -> Result<Self> {
        let manifest = serde_json::from_slice(manifest)
            .map_err(|error| Error::invalid("manifest", error, "a JSON object"))?;
        Self::new(manifest, tensors.to_vec(), None)
    }

    fn new(manifest: Value, tensors: Vec<u8>, path: Option<PathBuf>) -> Result<Self> {
        SafeTensors::deserialize(&tensors)
            .map_err(|error| Error::invalid("safetensors", error, "a safetensors file"))?;
        Ok(Case { manifest, tensors, path })
    }

    /// The case a trajectory takes its model from.
    pub(crate) fn model_case(&self) -> Result<Case> {
        let name = self.text(&["model"])?;
        match &self.path {
            Some(path) if !name.contains(['/', '\\']) => {
                Case::open(&path.with_file_name(format!("{name}.json")))
            }
            _ => Err(Error::invalid("model", name, "the name of a case beside this one")),
        }
    }

    fn archive(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.tensors).expect("was checked when it was read")
    }

    /// Names of all tensors that start with `prefix`, sorted.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .archive()
            .names()
            .into_iter()
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// A tensor of any number type.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let archive = self.archive();
        let view = archive
            .tensor(name)
            .map_err(|_| Error::invalid(format!("tensor {name}"), "nothing", "a tensor"))?;
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => widen(data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => widen(data, f64::from_le_bytes),
            Dtype::I32 => widen(data, |b| f64::from(i32::from_le_bytes(b))),
            Dtype::I64 => widen(data, |b| i64::from_le_bytes(b) as f64),
            other => {
                let expected = "F32, F64, I32 or I64";
                return Err(Error::invalid(
                    format!("tensor {name}"),
                    format!("{other:?}"),
                    expected,
                ));
            }
        };
        Ok(Tensor { shape: view.shape().to_vec(), values })
    }

    /// A tensor of a known shape.
    pub(crate) fn shaped(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            let (found, expected) = (format!("{:?}", tensor.shape), format!("shape {shape:?}"));
            return Err(Error::invalid(format!("tensor {name}"), found, expected));
        }
        Ok(tensor)
    }

    fn field(&self, path: &[&str]) -> Result<&Value> {
        let mut value = &self.manifest;
        for key in path {
            value = value
                .get(key)
                .ok_or_else(|| Error::invalid(path.join("."), "nothing", "a value"))?;
        }
        Ok(value)
    }

    pub(crate) fn number(&self, path: &[&str]) -> Result<f64> {
        let value = self.field(path)?;
        value.as_f64().ok_or_else(|| Error::invalid(path.join("."), value, "a number"))
    }

    pub(crate) fn count(&self, path: &[&str]) -> Result<usize> {
        let value = self.field(path)?;
        value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| Error::invalid(path.join("."), value, "a whole number"))
    }

    fn text(&self, path: &[&str]) -> Result<&str> {
        let value = self.field(path)?;
        value.as_str().ok_or_else(|| Error::invalid(path.join("."), value, "a name"))
    }

    /// The model of a static case.
    pub(crate) fn model(&self) -> Result<Model> {
        let schnet = match self.manifest.get("schnet") {
            Some(Value::Object(_)) => Some(self.schnet()?),
            _ => None,
        };
        let model = Model { schnet, priors: self.priors()? };
        model.check()?;
        Ok(model)
    }

    fn cutoff(&self, path: &[&str]) -> Result<Cutoff> {
        let at = |key| [path, &[key]].concat();
        let upper = self.number(&at("upper"))?;
        let lower = self.number(&at("lower")).unwrap_or(0.0);
        match self.text(&at("class"))? {
            "IdentityCutoff" => Ok(Cutoff::Identity { lower, upper }),
            "CosineCutoff" => Ok(Cutoff::Cosine { lower, upper }),
            "ShiftedCosineCutoff" => {
                Ok(Cutoff::ShiftedCosine { upper, width: self.number(&at("smooth_width"))? })
            }
            other => Err(Error::unsupported(format!("cutoff {other}"), "")),
        }
    }

    fn schnet(&self) -> Result<SchNet> {
        let cutoff = self.cutoff(&["schnet", "rbf", "cutoff"])?;
        let values = |name: &str| Ok(self.tensor(&format!("weights/rbf.{name}"))?.values);
        let exp_normal = |lower| -> Result<RadialFunctions> {
            let alpha = self.number(&["schnet", "rbf", "alpha"])?;
            let (means, betas) = (values("means")?, values("betas")?);
            Ok(RadialFunctions::ExpNormal { alpha, lower, means, betas })
        };
        let functions = match self.text(&["schnet", "rbf", "class"])? {
            "GaussianBasis" => {
                let coeff = values("coeff")?.first().copied().unwrap_or(f64::NAN);
                RadialFunctions::Gaussian { coeff, offset: values("offset")? }
            }
            "ExpNormalBasis" => exp_normal(cutoff.lower())?,
            "ExtendedExpNormalBasis" => {
                exp_normal(self.number(&["schnet", "rbf", "internal_cutoff_lower"])?)?
            }
            "SpacedExpBasis" => {
                RadialFunctions::SpacedExp { means: values("means")?, betas: values("betas")? }
            }
            other => return Err(Error::unsupported(format!("radial basis {other}"), "")),
        };
        let activation = match self.text(&["schnet", "activation"])? {
            "tanh" => Activation::Tanh,
            "silu" => Activation::Silu,
            "shifted_softplus" => {
                Activation::ShiftedSoftplus { shift: self.number(&["schnet", "activation_shift"])? }
            }
            other => return Err(Error::unsupported(format!("activation {other}"), "")),
        };
        let interactions = (0..self.count(&["schnet", "n_interactions"])?)
            .map(|b| {
                Ok(Interaction {
                    filter0: self.linear(&format!("block{b}.filter0"))?,
                    filter1: self.linear(&format!("block{b}.filter1"))?,
                    lin1: self.linear(&format!("block{b}.lin1"))?,
                    lin2: self.linear(&format!("block{b}.lin2"))?,
                    lin: self.linear(&format!("block{b}.lin"))?,
                })
            })
            .collect::<Result<_>>()?;
        let n_layers = self.names("weights/out").iter().filter(|n| n.ends_with(".weight")).count();
        let readout =
            (0..n_layers).map(|l| self.linear(&format!("out{l}"))).collect::<Result<_>>()?;
        let embedding = self.tensor("weights/embedding.weight")?;
        let [n_types, n_hidden] = embedding.shape[..] else {
            let found = format!("{:?}", embedding.shape);
            return Err(Error::invalid("tensor weights/embedding.weight", found, "two axes"));
        };
        Ok(SchNet {
            n_types,
            n_hidden,
            embedding: embedding.values,
            radial_basis: RadialBasis { functions, cutoff },
            cutoff: self.cutoff(&["schnet", "conv_cutoff"])?,
            activation,
            interactions,
            readout,
            max_num_neighbors: self.count(&["schnet", "max_num_neighbors"]).ok().map(|n| n as u32),
        })
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        let weight = self.tensor(&format!("weights/{name}.weight"))?;
        let [n_out, n_in] = weight.shape[..] else {
            let found = format!("{:?}", weight.shape);
            return Err(Error::invalid(format!("tensor weights/{name}.weight"), found, "two axes"));
        };
        let bias = self.tensor(&format!("weights/{name}.bias")).ok().map(|bias| bias.values);
        Ok(Linear { n_in, n_out, weight: weight.values, bias })
    }

    /// One structure per replica of `positions` `[R, N, 3]`.
    pub(crate) fn structures(
        topology: Topology,
        positions: &Tensor,
        velocities: Option<&Tensor>,
    ) -> Result<Vec<Structure>> {
        let n_beads = topology.types.len();
        let [n_replicas, beads, 3] = positions.shape[..] else {
            let found = format!("{:?}", positions.shape);
            return Err(Error::invalid("positions", found, "[replicas, beads, 3]"));
        };
        if n_replicas == 0 || beads == 0 || beads != n_beads {
            let found = format!("{n_replicas} replicas of {beads} beads");
            let expected = format!("one or more of {n_beads}, and of one or more");
            return Err(Error::invalid("positions", found, expected));
        }
        let topology = Arc::new(topology);
        let velocities = velocities.map(Tensor::vectors);
        let structure = |(r, positions): (usize, &[[f64; 3]])| Structure {
            topology: Arc::clone(&topology),
            positions: positions.to_vec(),
            velocities: velocities.as_ref().map(|v| v[r * n_beads..(r + 1) * n_beads].to_vec()),
        };
        Ok(positions.vectors().chunks_exact(n_beads).enumerate().map(structure).collect())
    }

    /// What it is.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a case of another kind.
    pub(crate) fn kind(&self) -> Result<Kind> {
        let has = |key: &str| self.manifest.get(key).is_some();
        if has("kind") {
            Ok(Kind::Trajectory)
        } else if ["schnet", "priors", "terms"].into_iter().any(has) {
            Ok(Kind::Static)
        } else if has("cases") {
            Err(Error::unsupported("replica exchange", ""))
        } else {
            let found = "neither terms nor kind";
            Err(Error::invalid("manifest", found, "a static case or a trajectory"))
        }
    }

    /// Where replicas stand and how they move: those of a trajectory at its start, those of a static
    /// case by default.
    pub(crate) fn start(&self) -> Result<Start> {
        match self.kind()? {
            Kind::Trajectory => self.start_of_trajectory(),
            Kind::Static => {
                let (model, topology) = self.molecule()?;
                let structures = Self::structures(topology, &self.tensor("system/pos")?, None)?;
                let settings = Settings { n_replicas: structures.len(), ..Settings::default() };
                Ok(Start { model, structures, settings })
            }
        }
    }

    /// Model and topology of a static case.
    fn molecule(&self) -> Result<(Model, Topology)> {
        let model = self.model()?;
        let topology = self.topology(&model)?;
        Ok((model, topology))
    }

    fn start_of_trajectory(&self) -> Result<Start> {
        let integrator = match self.text(&["kind"])? {
            "langevin" => Integrator::Langevin { friction: self.number(&["friction"])? },
            "overdamped" => Integrator::Overdamped { friction: self.number(&["friction"])? },
            "nve" => Integrator::Nve,
            other => return Err(Error::unsupported(format!("trajectory kind {other}"), "")),
        };
        let model_case = self.model_case()?;
        let molecule = model_case.molecule();
        let (model, mut topology) = match &model_case.path {
            Some(path) => molecule.of_file(path)?,
            None => molecule?,
        };
        let positions = self.tensor("input/pos0")?;
        let velocities = match integrator {
            Integrator::Overdamped { .. } => None,
            _ => Some(self.shaped("input/vel0", &positions.shape)?),
        };
        topology.masses = self.shaped("input/masses", &[topology.types.len()])?.values;
        let structures = Self::structures(topology, &positions, velocities.as_ref())?;
        let n_replicas = structures.len();
        let settings = Settings {
            n_replicas,
            integrator,
            dt: self.number(&["dt"])?,
            beta: self.shaped("input/beta", &[n_replicas])?.values,
            ..Settings::default()
        };
        Ok(Start { model, structures, settings })
    }
}

fn widen<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
}
