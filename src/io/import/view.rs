//! A node of an archive with its path from the root, which error messages contain.

use super::wrapper::{MAX_DEPTH, StateDict, inside};
use crate::error::{Error, Result};
use crate::io::pickle::{Archive, DenseTensor, Dtype, Node, NodeId, Scalar, Tensor};

/// A node and its path from the root.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub(super) archive: &'a Archive,
    pub(super) id: NodeId,
    /// The path for error messages, such as `models/SchNet/model`.
    pub(super) path: String,
    /// The state dict that holds the weights of this module, and the prefix of their names in it,
    /// such as `model.model`. `None` if the module holds its weights.
    weights: Option<(&'a StateDict, String)>,
}

impl<'a> View<'a> {
    pub(super) fn root(archive: &'a Archive) -> Self {
        View { archive, id: archive.root(), path: String::new(), weights: None }
    }

    /// The same module, with all its weights taken from a state dict.
    pub(super) fn with_weights(mut self, state: &'a StateDict, name: &str) -> Self {
        self.weights = Some((state, name.to_owned()));
        self
    }

    pub(super) fn at(&self, id: NodeId, name: &str) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        View { archive: self.archive, id, path, weights: None }
    }

    pub(super) fn node(&self) -> &'a Node {
        self.archive.node(self.id)
    }

    pub(super) fn invalid(&self, found: impl ToString, expected: impl Into<String>) -> Error {
        let field = if self.path.is_empty() { "the saved object" } else { &self.path };
        Error::invalid(field, found, expected)
    }

    /// An error for valid content that is not supported.
    pub(super) fn unsupported(&self, what: &str, advice: &str) -> Error {
        let place = if self.path.is_empty() { "the top level" } else { &self.path };
        Error::unsupported(format!("{what} at {place}"), advice)
    }

    /// A description of the node, for messages.
    pub(super) fn describe(&self) -> String {
        if let Some(number) = self.archive.scalar(self.id) {
            return number.to_string();
        }
        if let Some(class) = self.archive.class(self.id) {
            return class.to_string();
        }
        if let Some((function, arguments)) = self.archive.call(self.id) {
            let kind = || {
                let (_, dtype) = self.archive.call(*arguments.first()?)?;
                self.archive.str(*dtype.first()?)
            };
            return match (function.module.starts_with("numpy"), &*function.name) {
                // The second is that of newer protocols of pickle.
                (true, "_reconstruct" | "_frombuffer") => "a NumPy array".into(),
                (true, "scalar") => match kind().is_some_and(|kind| kind.starts_with(['U', 'S'])) {
                    true => "a NumPy string".into(),
                    false => "a NumPy scalar of another type".into(),
                },
                _ => format!("a call of {function}"),
            };
        }
        match self.node() {
            Node::None => "None".into(),
            Node::Str(text) if text.len() <= 60 => format!("{text:?}"),
            Node::Str(_) => "a long string".into(),
            Node::Tuple(elements) => format!("a tuple of {}", elements.len()),
            Node::List(elements) => format!("a list of {}", elements.len()),
            Node::Dict(items) => format!("a dict of {}", items.len()),
            Node::Global(global) => global.to_string(),
            Node::Bool(_)
            | Node::Int(_)
            | Node::Float(_)
            | Node::Long(_)
            | Node::Bytes(_)
            | Node::Set(_)
            | Node::Persistent(_) => "another kind of value".into(),
            Node::Object { .. } | Node::Call { .. } => "an object without a class name".into(),
        }
    }

    /// The package and the name of the object's class. The modules between them are ignored,
    /// because versions of the tools keep the same class in different modules.
    pub(super) fn class(&self) -> Option<(&'a str, &'a str)> {
        let global = self.archive.class(self.id)?;
        Some((global.module.split('.').next().unwrap_or(""), &*global.name))
    }

    /// The name of the class, if it belongs to mlcg or flashmd.
    pub(super) fn own_class(&self) -> Option<&'a str> {
        self.class().filter(|(package, _)| matches!(*package, "mlcg" | "flashmd")).map(|c| c.1)
    }

    /// The name of the class, if it belongs to PyTorch.
    pub(super) fn torch_class(&self) -> Option<&'a str> {
        self.class().filter(|(package, _)| *package == "torch").map(|c| c.1)
    }

    fn lookup(&self, dict: NodeId, name: &str) -> Result<Option<NodeId>> {
        let items = match self.archive.node(dict) {
            Node::Dict(items) => &items[..],
            // A subclass of dict. Other nodes have no items.
            _ => self.archive.items(dict),
        };
        self.archive.charge(items.len())?;
        // As in Python, the last of several equal keys counts.
        let found = items.iter().rev().find(|(key, _)| self.archive.str(*key) == Some(name));
        Ok(found.map(|(_, value)| *value))
    }

    /// A value of this dict.
    pub(super) fn get(&self, name: &str) -> Result<Option<View<'a>>> {
        Ok(self.lookup(self.id, name)?.map(|id| self.at(id, name)))
    }

    /// A hyperparameter. Versions of Lightning save a dict, an AttributeDict or a Namespace, which
    /// has attributes.
    pub(super) fn member(&self, name: &str) -> Result<Option<View<'a>>> {
        match self.class() {
            Some(("argparse", "Namespace")) => self.attribute(name),
            _ => self.get(name),
        }
    }

    /// The dict of the attributes of this object.
    pub(super) fn attributes(&self) -> Option<View<'a>> {
        let state = self.archive.state(self.id)?;
        Some(self.at(state, "")).filter(|state| matches!(state.node(), Node::Dict(_)))
    }

    /// An attribute of this object; `None` if it is absent.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<View<'a>>> {
        let Some(state) = self.archive.state(self.id) else {
            return Ok(None);
        };
        // A state is a dict of attributes, or a tuple of two dicts: attributes and slots.
        let parts = match self.archive.node(state) {
            Node::Tuple(parts) => &parts[..],
            _ => std::slice::from_ref(&state),
        };
        for part in parts.iter().take(2) {
            if let Some(id) = self.lookup(*part, name)? {
                return Ok(Some(self.at(id, name)));
            }
        }
        Ok(None)
    }

    /// An attribute that must exist.
    pub(super) fn require(&self, name: &str) -> Result<View<'a>> {
        self.attribute(name)?.ok_or_else(|| {
            self.invalid(format!("no {name}"), format!("a {} with {name}", self.describe()))
        })
    }

    pub(super) fn is_none(&self) -> bool {
        *self.node() == Node::None
    }

    /// A number of Python or NumPy, or a tensor of one element.
    fn one(&self) -> Result<Option<Scalar>> {
        if let Some(number) = self.archive.scalar(self.id) {
            return Ok(Some(number));
        }
        let Some(tensor) = self.tensor()?.filter(|tensor| tensor.numel() == 1) else {
            return Ok(None);
        };
        Ok(Some(match self.archive.integers(&tensor)? {
            Some(values) if tensor.dtype == Dtype::Bool => Scalar::Bool(values[0] != 0),
            Some(values) => Scalar::Int(values[0]),
            None => Scalar::Float(self.archive.numbers(&tensor)?[0]),
        }))
    }

    pub(super) fn number(&self) -> Result<f64> {
        match self.one()? {
            Some(number @ (Scalar::Int(_) | Scalar::Float(_))) => Ok(number.value()),
            _ => Err(self.invalid(self.describe(), "a number")),
        }
    }

    /// A whole number of 0 or more.
    pub(super) fn count(&self) -> Result<u32> {
        let number = match self.one()? {
            Some(Scalar::Int(value)) => u32::try_from(value).ok(),
            Some(Scalar::Float(value)) if value.fract() == 0.0 => u32::try_from(value as i64).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.invalid(self.describe(), "a count"))
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        self.archive.str(self.id).ok_or_else(|| self.invalid(self.describe(), "a string"))
    }

    pub(super) fn flag(&self) -> Result<bool> {
        match self.one()? {
            Some(Scalar::Bool(value)) => Ok(value),
            Some(Scalar::Int(value @ (0 | 1))) => Ok(value == 1),
            _ if self.is_none() => Ok(false),
            _ => Err(self.invalid(self.describe(), "True or False")),
        }
    }

    /// The entries of a dict with string keys.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, View<'a>)>> {
        let Node::Dict(items) = self.node() else {
            return Err(self.invalid(self.describe(), "a dict"));
        };
        let entry_bytes = size_of::<(&str, View)>() + self.path.len();
        self.archive.charge(items.len().saturating_mul(entry_bytes))?;
        let entry = |(key, value): &(NodeId, NodeId)| match self.archive.str(*key) {
            // The limit keeps the paths of all entries short.
            Some(key) if key.len() <= 256 => Ok((key, self.at(*value, key))),
            _ => Err(self.invalid("a key that is not a short string", "names")),
        };
        items.iter().map(entry).collect()
    }

    /// The elements of a list or a tuple.
    pub(super) fn sequence(&self) -> Option<&'a [NodeId]> {
        match self.node() {
            Node::List(elements) => Some(elements),
            Node::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The submodules of a module.
    pub(super) fn modules(&self) -> Result<Vec<(&'a str, View<'a>)>> {
        let mut modules = self.require("_modules")?.entries()?;
        for (name, view) in &mut modules {
            *view = self.child(view.id, name)?;
        }
        Ok(modules)
    }

    fn child(&self, id: NodeId, name: &str) -> Result<View<'a>> {
        let mut view = self.at(id, name);
        view.weights =
            self.weights.as_ref().map(|(state, prefix)| (*state, format!("{prefix}.{name}")));
        view.unwrapped()
    }

    /// The module inside all wrappers; the module itself if it has none.
    pub(super) fn unwrapped(mut self) -> Result<View<'a>> {
        for _ in 0..MAX_DEPTH {
            match self.inside()? {
                Some(id) => self.id = id,
                None => return Ok(self),
            }
        }
        Err(self.unsupported(&format!("more than {MAX_DEPTH} nested wrappers of a module"), ""))
    }

    /// The module inside a wrapper; `None` if the node is no wrapper.
    fn inside(&self) -> Result<Option<NodeId>> {
        // Some versions of PyTorch pickle an OptimizedModule as a call with the module and its
        // context.
        if let Some((class, [module, ..])) = self.archive.call(self.id)
            && class.module.starts_with("torch.")
            && inside(&class.name).is_some()
        {
            return Ok(Some(*module));
        }
        let Some(name) = self.torch_class().and_then(inside) else { return Ok(None) };
        self.only(&[name], &["n_averaged"])?;
        match self.require("_modules")?.get(name)? {
            Some(module) => Ok(Some(module.id)),
            None => Err(self.invalid(format!("no {name}"), format!("a submodule {name}"))),
        }
    }

    /// A submodule that must exist.
    pub(super) fn module(&self, name: &str) -> Result<View<'a>> {
        match self.require("_modules")?.get(name)? {
            Some(view) => self.child(view.id, name),
            None => Err(self.invalid(format!("no {name}"), format!("a submodule {name}"))),
        }
    }

    /// Refuses unknown submodules and tensors, because they could change the energy.
    pub(super) fn only(&self, modules: &[&str], tensors: &[&str]) -> Result<()> {
        for (part, known) in
            [("_modules", modules), ("_parameters", tensors), ("_buffers", tensors)]
        {
            let Some(part) = self.attribute(part)? else { continue };
            for (name, view) in part.entries()? {
                if !known.contains(&name) && !view.is_none() {
                    let what = format!("the part {name:?} of {}", self.describe());
                    return Err(self.unsupported(&what, ""));
                }
            }
        }
        Ok(())
    }

    /// The dense tensor that the node represents; `None` if it is no tensor.
    pub(super) fn tensor(&self) -> Result<Option<DenseTensor>> {
        match self.any_tensor()? {
            Some(Tensor::Dense(dense)) => Ok(Some(dense)),
            Some(Tensor::Sparse(_)) => Err(self.invalid("a sparse tensor", "a dense one")),
            None => Ok(None),
        }
    }

    pub(super) fn any_tensor(&self) -> Result<Option<Tensor>> {
        self.archive.tensor(self.id).map_err(|error| match error {
            Error::Invalid { field, found, expected, .. } => {
                Error::invalid(format!("{}: {field}", self.path), found, expected)
            }
            Error::Unsupported { what, advice, .. } => self.unsupported(&what, &advice),
            other => other,
        })
    }

    /// A parameter or buffer of this module; `None` if it is absent or Python's `None`.
    pub(super) fn weight(&self, name: &str) -> Result<Option<View<'a>>> {
        let mut found = None;
        for part in ["_parameters", "_buffers"] {
            if let Some(part) = self.attribute(part)?
                && let Some(id) = part.lookup(part.id, name)?
                && *self.archive.node(id) != Node::None
            {
                found = Some(self.at(id, name));
            }
        }
        let (Some((state, prefix)), Some(view)) = (&self.weights, &mut found) else {
            return Ok(found);
        };
        view.id = state.take(&format!("{prefix}.{name}"))?;
        Ok(found)
    }

    /// The shape and the values of a dense weight of this module.
    pub(super) fn dense_weight(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f64>)>> {
        let Some(view) = self.weight(name)? else {
            return Ok(None);
        };
        match view.tensor()? {
            Some(tensor) => {
                let values = self.archive.numbers(&tensor)?;
                Ok(Some((tensor.shape, values)))
            }
            None => Err(view.invalid(view.describe(), "a tensor")),
        }
    }

    pub(super) fn require_weight(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        self.dense_weight(name)?
            .ok_or_else(|| self.invalid(format!("no {name}"), format!("a tensor {name}")))
    }

    /// A weight of one axis that must exist.
    pub(super) fn vector(&self, name: &str) -> Result<Vec<f64>> {
        match self.require_weight(name)? {
            (shape, values) if shape.len() == 1 => Ok(values),
            (shape, _) => Err(self.at(self.id, name).invalid(format!("shape {shape:?}"), "(n)")),
        }
    }

    /// A number that is a weight or an attribute.
    pub(super) fn scalar(&self, name: &str) -> Result<f64> {
        match self.dense_weight(name)? {
            Some((_, values)) if values.len() == 1 => Ok(values[0]),
            Some((shape, _)) => {
                Err(self.at(self.id, name).invalid(format!("shape {shape:?}"), "one number"))
            }
            None => self.require(name)?.number(),
        }
    }
}
