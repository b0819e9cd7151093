//! Reads what `torch.save` writes: a zip file with a pickle and the bytes of the tensors.
//!
//! The pickle becomes a graph of inert [`Node`]s. Nothing is imported, constructed or called: a
//! class is a name, an object is a class with arguments and a state, a call is a callable with
//! arguments. Objects are referred to by number ([`NodeId`]), so an object that is shared, or that
//! contains itself, is one node, and whoever refers to it sees the state it gets later.
//!
//! The memory that reading takes is bounded by the size of the file, whatever the file says.

mod container;
mod tensor;
mod vm;

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use container::Container;
pub use tensor::{DenseTensor, Dtype, SparseTensor, Tensor};

use crate::error::{Error, OfFile, Result};

/// The number of a node in its [`Archive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// A Python object, inert.
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
    /// An object made by its class: `class.__new__(class, *arguments)`. See [`Archive::state`].
    Object {
        /// Usually a [`Node::Global`].
        class: NodeId,
        /// Usually an empty [`Node::Tuple`].
        arguments: NodeId,
    },
    /// What a call would return: `function(*arguments)`.
    Call {
        /// Usually a [`Node::Global`].
        function: NodeId,
        /// Usually a [`Node::Tuple`].
        arguments: NodeId,
    },
    /// A persistent id: in these files, the storage of a tensor.
    Persistent(NodeId),
}

/// The name of a class or a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Global {
    /// The dotted module.
    pub module: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl std::fmt::Display for Global {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// What was given to an object after it was made.
#[derive(Debug, Default)]
struct Later {
    state: Option<NodeId>,
    elements: Vec<NodeId>,
    items: Vec<(NodeId, NodeId)>,
}

/// The graph of a pickle.
#[derive(Debug)]
struct Graph {
    nodes: Vec<Node>,
    later: HashMap<NodeId, Later>,
    root: NodeId,
}

/// A file written by `torch.save`.
pub struct Archive {
    container: Container,
    graph: Graph,
    budget: Cell<u64>,
}

/// A file may make its reader take this many bytes per byte of its own: each tensor is normally
/// read once, and becomes at most four times as large (half to double precision).
const BUDGET_PER_BYTE: u64 = 16;
const BUDGET_BASE: u64 = 1 << 20;

impl Archive {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] and [`Error::Unsupported`] for what `torch.save` does not
    /// write.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        Archive::parse(bytes).of_file(path)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let budget = (bytes.len() as u64).saturating_mul(BUDGET_PER_BYTE) + BUDGET_BASE;
        let container = Container::parse(bytes)?;
        let graph = vm::run(container.pickle())?;
        Ok(Archive { container, graph, budget: Cell::new(budget) })
    }

    /// The object that was saved.
    pub fn root(&self) -> NodeId {
        self.graph.root
    }

    /// A node.
    ///
    /// # Panics
    /// When `id` belongs to another archive.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph.nodes[id.0 as usize]
    }

    /// The state an object was built with; mostly its attributes, a dict.
    pub fn state(&self, id: NodeId) -> Option<NodeId> {
        self.graph.later.get(&id)?.state
    }

    /// The items that were set on an object that is not a plain dict.
    pub fn items(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        self.graph.later.get(&id).map_or(&[], |later| &later.items)
    }

    /// The elements that were appended to an object that is not a plain list.
    pub fn elements(&self, id: NodeId) -> &[NodeId] {
        self.graph.later.get(&id).map_or(&[], |later| &later.elements)
    }

    /// The class of an object.
    pub fn class(&self, id: NodeId) -> Option<&Global> {
        match self.node(id) {
            Node::Object { class, .. } => self.global(*class),
            _ => None,
        }
    }

    /// The function of a call and its arguments.
    pub fn call(&self, id: NodeId) -> Option<(&Global, &[NodeId])> {
        match self.node(id) {
            Node::Call { function, arguments } => {
                Some((self.global(*function)?, self.tuple(*arguments)?))
            }
            _ => None,
        }
    }

    /// The name, where the node is a class or a function.
    pub fn global(&self, id: NodeId) -> Option<&Global> {
        match self.node(id) {
            Node::Global(global) => Some(global),
            _ => None,
        }
    }

    /// The elements, where the node is a tuple.
    pub fn tuple(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.node(id) {
            Node::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, where the node is a string.
    pub fn str(&self, id: NodeId) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value, where the node is an integer of at most 64 bits.
    pub fn int(&self, id: NodeId) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Takes note of work or memory (in bytes) that the file asks for.
    ///
    /// A graph with shared nodes can ask for far more than it holds. A file that was written by
    /// training or simulation never comes near the limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file has asked for more than its size justifies.
    pub(crate) fn charge(&self, bytes: usize) -> Result<()> {
        match self.budget.get().checked_sub(bytes as u64) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(Error::invalid(
                "data.pkl",
                "objects that expand to many times the size of the file",
                "tensors that are used about once",
            )),
        }
    }
}
