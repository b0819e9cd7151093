//! Files of `torch.save`, and access to their objects.

use std::cell::Cell;
use std::path::Path;

use super::container::Container;
use super::graph::{Global, Graph, Node, NodeId};
use super::opcodes;
use crate::error::{Error, OfFile, Result};

/// A file written by `torch.save`.
pub struct Archive {
    pub(super) container: Container,
    graph: Graph,
    budget: Cell<u64>,
}

/// The memory that the content of a file may request, per byte of the file. A tensor is normally
/// read once, and becomes at most four times as large (f16 to f64).
const BUDGET_PER_BYTE: u64 = 16;
/// The memory, in bytes, that a file of any size may request in addition.
const BUDGET_BASE: u64 = 1 << 20;

impl Archive {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] and [`Error::Unsupported`] for content that `torch.save`
    /// does not write.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        Archive::parse(bytes).of_file(path)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// See [`Archive::open`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let budget = (bytes.len() as u64).saturating_mul(BUDGET_PER_BYTE) + BUDGET_BASE;
        let container = Container::parse(bytes)?;
        let graph = opcodes::run(container.pickle())?;
        Ok(Archive { container, graph, budget: Cell::new(budget) })
    }

    /// The object that was saved.
    pub fn root(&self) -> NodeId {
        self.graph.root
    }

    /// A node.
    ///
    /// # Panics
    /// If `id` belongs to another archive.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph.nodes[id.0 as usize]
    }

    /// The state of an object, usually a dict of its attributes.
    pub fn state(&self, id: NodeId) -> Option<NodeId> {
        self.graph.states.get(&id).copied()
    }

    /// The items of an object that behaves like a dict but is not a plain dict.
    pub fn items(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        self.graph.later.get(&id).map_or(&[], |later| &later.items)
    }

    /// The elements of an object that behaves like a list but is not a plain list.
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

    /// The name, if the node is a class or a function.
    pub fn global(&self, id: NodeId) -> Option<&Global> {
        match self.node(id) {
            Node::Global(global) => Some(global),
            _ => None,
        }
    }

    /// The elements, if the node is a tuple.
    pub fn tuple(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.node(id) {
            Node::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, if the node is a string.
    pub fn str(&self, id: NodeId) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value, if the node is an integer of at most 64 bits.
    pub fn int(&self, id: NodeId) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Subtracts work or memory (in bytes) from the budget of the file.
    ///
    /// A graph with shared nodes can expand to far more memory than the file takes. A file that was
    /// written by training or simulation stays far below the limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the budget is exceeded.
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
