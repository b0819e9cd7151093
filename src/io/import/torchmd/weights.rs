//! The tensors of a state dict, by the names of torchmd-net.

use super::super::view::View;
use super::super::wrapper::{PART, StateDict};
use crate::error::{Error, Result};
use crate::io::pickle::NodeId;
use crate::model::Linear;

/// The tensors of a state dict.
pub(super) struct Weights<'a> {
    state: &'a View<'a>,
    tensors: &'a StateDict,
    /// Lightning adds it to the names. torchmd-exp saves a model without it.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    pub(super) fn new(state: &'a View<'a>, tensors: &'a StateDict) -> Self {
        let prefix = if tensors.has_any("model.representation_model.") { PART } else { "" };
        Weights { state, tensors, prefix }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.has(&format!("{}{name}", self.prefix))
    }

    fn take(&self, name: &str) -> Result<(NodeId, View<'a>)> {
        let name = format!("{}{name}", self.prefix);
        let id = self.tensors.take(&name)?;
        Ok((id, self.state.at(id, &name)))
    }

    fn read(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        let (_, view) = self.take(name)?;
        match view.tensor()? {
            Some(tensor) => {
                let values = view.archive.numbers(&tensor)?;
                Ok((tensor.shape, values))
            }
            None => Err(view.invalid(view.describe(), "a tensor")),
        }
    }

    fn wrong_shape(&self, name: &str, shape: &[usize], expected: &str) -> Error {
        let field = format!("{}/{}{name}", self.state.path, self.prefix);
        Error::invalid(field, format!("shape {shape:?}"), expected)
    }

    /// A number. Versions save it with shape () or (1).
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        match self.read(name)? {
            (_, values) if values.len() == 1 => Ok(values[0]),
            (shape, _) => Err(self.wrong_shape(name, &shape, "one number")),
        }
    }

    pub(super) fn vector(&self, name: &str) -> Result<Vec<f64>> {
        match self.read(name)? {
            (shape, values) if shape.len() == 1 => Ok(values),
            (shape, _) => Err(self.wrong_shape(name, &shape, "(n)")),
        }
    }

    /// The tensor `weight` of a module.
    pub(super) fn matrix(&self, module: &str) -> Result<([usize; 2], Vec<f64>)> {
        let name = format!("{module}.weight");
        let (shape, values) = self.read(&name)?;
        match <[usize; 2]>::try_from(shape) {
            Ok(shape) => Ok((shape, values)),
            Err(shape) => Err(self.wrong_shape(&name, &shape, "(rows, columns)")),
        }
    }

    /// A linear layer with a bias.
    pub(super) fn linear(&self, module: &str) -> Result<Linear> {
        let bias = self.vector(&format!("{module}.bias"))?;
        Ok(Linear { bias: Some(bias), ..self.linear_without_bias(module)? })
    }

    pub(super) fn linear_without_bias(&self, module: &str) -> Result<Linear> {
        let ([n_out, n_in], weight) = self.matrix(module)?;
        Ok(Linear { n_in, n_out, weight, bias: None })
    }

    /// The number of interaction blocks.
    pub(super) fn count_blocks(&self) -> usize {
        let name = |b| format!("{}representation_model.interactions.{b}.", self.prefix);
        (0..).take_while(|b: &usize| self.tensors.has_any(&name(*b))).count()
    }

    /// The layers of the readout, which alternate with activations.
    pub(super) fn readout(&self) -> Result<Vec<Linear>> {
        // The first name is that of versions since 2024.
        let network = "output_model.output_network";
        let newer = format!("{network}.layers");
        let network = if self.has(&format!("{newer}.0.weight")) { &newer } else { network };
        let layer = |l: usize| format!("{network}.{}", 2 * l);
        let layers = (0..).map(layer).take_while(|layer| self.has(&format!("{layer}.weight")));
        layers.map(|layer| self.linear(&layer)).collect()
    }

    /// The energy of each bead type. The table from before the training is not used.
    pub(super) fn atomref(&self) -> Result<Vec<f64>> {
        let mut names = ["prior_model.0.atomref.weight", "prior_model.atomref.weight"].into_iter();
        let name = names.find(|name| self.has(name)).unwrap_or("prior_model.0.atomref.weight");
        for other in ["prior_model.0.initial_atomref", "prior_model.initial_atomref"] {
            if self.has(other) {
                self.take(other)?;
            }
        }
        match self.read(name)? {
            (shape, values) if shape.len() == 2 && shape[1] == 1 => Ok(values),
            (shape, _) => Err(self.wrong_shape(name, &shape, "(rows, 1)")),
        }
    }

    /// Refuses a tensor that differs from its second copy. The copy may be absent.
    pub(super) fn check_equal(&self, name: &str, copy: &str) -> Result<()> {
        if !self.has(name) || !self.has(copy) {
            return Ok(());
        }
        let ((first, a), (second, b)) = (self.take(name)?, self.take(copy)?);
        let same = match (a.tensor()?, b.tensor()?) {
            _ if first == second => true,
            (Some(a), Some(b)) => {
                let bytes = |tensor| self.state.archive.bytes_of(tensor);
                a.shape == b.shape && a.dtype == b.dtype && bytes(&a)? == bytes(&b)?
            }
            _ => false,
        };
        let found = || format!("other values than {name}");
        if same { Ok(()) } else { Err(b.invalid(found(), "the same tensor")) }
    }

    /// Refuses a periodic box. A box of zeros is none.
    pub(super) fn check_box(&self) -> Result<()> {
        let name = "representation_model.distance.box";
        if !self.has(name) {
            return Ok(());
        }
        match self.read(name)?.1.iter().all(|x| *x == 0.0) {
            true => Ok(()),
            false => {
                let what = format!("a periodic box ({}{name})", self.prefix);
                Err(Error::unsupported(what, "models without a box are supported"))
            }
        }
    }

    /// Refuses tensors of the model that have no place in the network.
    pub(super) fn check_all_used(&self) -> Result<()> {
        match self.tensors.unused(self.prefix) {
            Some(name) => Err(Error::invalid(
                format!("state_dict/{name}"),
                "a tensor that TorchMD's graph network does not have",
                "the weights of the architecture in hyper_parameters",
            )),
            None => Ok(()),
        }
    }
}
