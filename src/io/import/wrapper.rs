//! Modules that wrap a module without a change of its result, such as `torch.compile` makes them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::io::pickle::NodeId;

/// The classes of wrappers, and the name of the module inside.
const WRAPPERS: [(&str, &str); 6] = [
    ("OptimizedModule", "_orig_mod"),
    ("DataParallel", "module"),
    ("DistributedDataParallel", "module"),
    ("AveragedModel", "module"),
    ("FullyShardedDataParallel", "_fsdp_wrapped_module"),
    ("CheckpointWrapper", "_checkpoint_wrapped_module"),
];

/// The names that wrappers add to the names of tensors in a state dict. Lightning's strategies add
/// the last one.
const PREFIXES: [&str; 5] = [
    "_orig_mod",
    "module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
];

/// The start of the names of the model's tensors in a training checkpoint.
pub(super) const PART: &str = "model.";

/// More wrappers than this around one module are refused. This also refuses a wrapper of itself.
pub(super) const MAX_DEPTH: usize = 8;

/// The name of a tensor in a state dict, without the names that wrappers add.
fn without_wrappers(name: &str) -> String {
    let parts = name.split('.').filter(|part| !PREFIXES.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

/// The name of the module inside a wrapper of PyTorch; `None` for other classes.
pub(super) fn inside(class: &str) -> Option<&'static str> {
    WRAPPERS.iter().find(|(name, _)| *name == class).map(|(_, inside)| *inside)
}

/// The `state_dict` of a training checkpoint. Its weights replace the weights of the modules. The
/// names are those without wrappers, because the pickled module can have other wrappers.
pub(super) struct StateDict {
    tensors: HashMap<String, NodeId>,
    used: RefCell<HashSet<String>>,
}

impl StateDict {
    /// Collects tensors by name.
    ///
    /// # Errors
    /// [`Error::Invalid`] if two names that start with `part` differ in wrappers only.
    pub(super) fn new<'a>(
        all: impl IntoIterator<Item = (&'a str, NodeId)>,
        part: &str,
    ) -> Result<Self> {
        let mut tensors = HashMap::new();
        for (name, tensor) in all {
            let plain = without_wrappers(name);
            let of_part = plain.starts_with(part);
            if tensors.insert(plain, tensor).is_some() && of_part {
                return Err(Error::invalid(
                    format!("state_dict/{name}"),
                    "a second tensor for the same weight",
                    "names that differ in more than _orig_mod, module and other wrappers",
                ));
            }
        }
        Ok(StateDict { tensors, used: RefCell::default() })
    }

    /// Whether there is a weight of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&without_wrappers(name))
    }

    /// Whether there is a weight whose name starts with `part`.
    pub(super) fn has_any(&self, part: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(part))
    }

    /// The tensor of a weight, which is used from now on.
    pub(super) fn take(&self, name: &str) -> Result<NodeId> {
        let name = without_wrappers(name);
        let Some(tensor) = self.tensors.get(&name) else {
            return Err(Error::invalid(format!("state_dict/{name}"), "no such tensor", "a tensor"));
        };
        self.used.borrow_mut().insert(name);
        Ok(*tensor)
    }

    /// The first tensor of a part that no module has used.
    pub(super) fn unused(&self, part: &str) -> Option<&str> {
        let used = self.used.borrow();
        let unused = |name: &&String| name.starts_with(part) && !used.contains(*name);
        self.tensors.keys().filter(unused).min().map(String::as_str)
    }
}
