//! The objects of a pickle as a graph of nodes, which are data only.

use std::collections::HashMap;
use std::sync::Arc;

/// The number of a node in its [`Archive`](super::Archive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

/// A Python object as data.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A longer integer, little-endian two's complement.
    Long(Box<[u8]>),
    /// A float.
    Float(f64),
    /// A string.
    Str(Arc<str>),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// A tuple.
    Tuple(Elements),
    /// A list.
    List(Vec<NodeId>),
    /// A set or a frozen set.
    Set(Vec<NodeId>),
    /// A dict or an OrderedDict, in order of insertion.
    Dict(Vec<(NodeId, NodeId)>),
    /// A class or a function, by name.
    Global(Box<Global>),
    /// An object made by its class: `class.__new__(class, *arguments)`. Its attributes are in
    /// [`Archive::state`](super::Archive::state).
    Object {
        /// Usually a [`Node::Global`].
        class: NodeId,
        /// Usually an empty [`Node::Tuple`].
        arguments: NodeId,
    },
    /// The result of a call: `function(*arguments)`.
    Call {
        /// Usually a [`Node::Global`].
        function: NodeId,
        /// Usually a [`Node::Tuple`].
        arguments: NodeId,
    },
    /// A persistent id, which is the storage of a tensor in these files.
    Persistent(NodeId),
}

/// The elements of a tuple. Up to three of them need no memory outside the node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Elements {
    Few { n: u8, ids: [NodeId; 3] },
    Many(Box<[NodeId]>),
}

impl From<&[NodeId]> for Elements {
    fn from(elements: &[NodeId]) -> Self {
        let mut ids = [NodeId(0); 3];
        match ids.get_mut(..elements.len()) {
            Some(few) => {
                few.copy_from_slice(elements);
                Elements::Few { n: elements.len() as u8, ids }
            }
            None => Elements::Many(elements.into()),
        }
    }
}

impl std::ops::Deref for Elements {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        match self {
            Elements::Few { n, ids } => &ids[..usize::from(*n)],
            Elements::Many(ids) => ids,
        }
    }
}

/// The name of a class or a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Global {
    /// The module, with its parent modules: `torch.nn.modules.linear`.
    pub module: Arc<str>,
    /// The name in the module.
    pub name: Arc<str>,
}

impl std::fmt::Display for Global {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// The elements and items that an object gets after its creation.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub(super) elements: Vec<NodeId>,
    pub(super) items: Vec<(NodeId, NodeId)>,
}

/// The graph of a pickle.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// The states that objects get after their creation.
    pub(super) states: HashMap<NodeId, NodeId>,
    pub(super) later: HashMap<NodeId, Later>,
    pub(super) root: NodeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_small() {
        // A pickle can make a node of a single byte.
        assert_eq!(size_of::<Node>(), 32);
        let ids: Vec<NodeId> = (0..5).map(NodeId).collect();
        for n in 0..=5 {
            assert_eq!(*Elements::from(&ids[..n]), ids[..n]);
        }
    }
}
