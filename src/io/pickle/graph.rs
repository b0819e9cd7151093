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
    Tuple(Box<[NodeId]>),
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

/// The state, elements and items that an object gets after its creation.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub(super) state: Option<NodeId>,
    pub(super) elements: Vec<NodeId>,
    pub(super) items: Vec<(NodeId, NodeId)>,
}

/// The graph of a pickle.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) later: HashMap<NodeId, Later>,
    pub(super) root: NodeId,
}
