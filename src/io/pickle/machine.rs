//! The state of the pickle machine: input, stack, memo, and the nodes made so far.
//!
//! Every node, stack entry and memo entry takes at least one byte of the pickle, and the number of
//! nodes is limited. This limits the memory to a small multiple of the size of the pickle.

use std::collections::HashMap;
use std::sync::Arc;

use super::graph::{Elements, Global, Graph, Later, Node, NodeId};
use super::memo::Memo;
use crate::error::{Error, Result};

pub(super) const NONE: NodeId = NodeId(0);
pub(super) const TRUE: NodeId = NodeId(1);
pub(super) const FALSE: NodeId = NodeId(2);
pub(super) const EMPTY_TUPLE: NodeId = NodeId(3);
const EMPTY_STR: NodeId = NodeId(4);
/// The integers from 0 to 255 are shared nodes: this one and those after it.
const FIRST_INT: u32 = 5;

/// A pickle may have this many nodes in addition to two for every five of its bytes. A pickle of
/// Python has fewer, because a pickler writes a memo for nearly every object.
const MORE_NODES: usize = 1 << 16;
/// A pickle may name this many classes and functions. A model has fewer than a hundred.
const MOST_GLOBALS: usize = 1 << 16;

/// The conversion of a pickle to a graph.
pub(super) struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    op_at: usize,
    nodes: Vec<Node>,
    most_nodes: usize,
    globals: HashMap<Global, NodeId>,
    states: HashMap<NodeId, NodeId>,
    later: HashMap<NodeId, Later>,
    pub(super) stack: Vec<NodeId>,
    /// The heights of the stack at the MARKs that are still open.
    pub(super) marks: Vec<u32>,
    pub(super) memo: Memo,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        let empty_tuple = Node::Tuple(Elements::from(&[][..]));
        let shared =
            [Node::None, Node::Bool(true), Node::Bool(false), empty_tuple, Node::Str("".into())];
        let nodes = shared.into_iter().chain((0..256).map(Node::Int)).collect();
        Machine {
            pickle,
            at: 0,
            op_at: 0,
            nodes,
            most_nodes: pickle.len() / 5 * 2 + MORE_NODES,
            globals: HashMap::new(),
            states: HashMap::new(),
            later: HashMap::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
        }
    }

    /// The graph of the nodes made so far.
    pub(super) fn graph(self, root: NodeId) -> Graph {
        Graph { nodes: self.nodes, states: self.states, later: self.later, root }
    }

    /// Reads the next opcode. Errors name its position.
    pub(super) fn opcode(&mut self) -> Result<u8> {
        self.op_at = self.at;
        if self.nodes.len() > self.most_nodes {
            let found = format!("more than {} objects", self.most_nodes);
            return Err(self.error(found, "at most two objects for every five bytes"));
        }
        Ok(self.uint(1)? as u8)
    }

    pub(super) fn error(&self, found: impl ToString, expected: &str) -> Error {
        Error::invalid(format!("data.pkl, byte {}", self.op_at), found, expected)
    }

    pub(super) fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let left = &self.pickle[self.at..];
        match usize::try_from(n).ok().and_then(|n| left.get(..n)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.error(format!("{} bytes left", left.len()), &format!("{n} more"))),
        }
    }

    /// Reads a little-endian unsigned integer of `n` ≤ 8 bytes.
    pub(super) fn uint(&mut self, n: u64) -> Result<u64> {
        Ok(self.take(n)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Reads a length, which takes `n` bytes, and then that many bytes.
    pub(super) fn counted(&mut self, n: u64) -> Result<&'a [u8]> {
        let length = self.uint(n)?;
        self.take(length)
    }

    /// Reads a line of text, for the opcodes of protocol 0.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let left = &self.pickle[self.at..];
        let Some(length) = left.iter().position(|byte| *byte == b'\n') else {
            return Err(self.error("no end of line", "a line of text"));
        };
        self.at += length + 1;
        self.text(&left[..length])
    }

    pub(super) fn text(&self, bytes: &'a [u8]) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|error| self.error(error, "UTF-8"))
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        // The number of nodes fits into 32 bits. The pickle is below 4 GiB and has a byte for each
        // node: an opcode that adds several nodes also uses bytes that add none (text, a MARK).
        let id = NodeId(self.nodes.len() as u32);
        if self.nodes.len() == self.nodes.capacity() {
            // The last opcode before the limit is tested adds at most three nodes.
            let room = self.most_nodes.saturating_sub(self.nodes.len()) + 4;
            self.nodes.reserve_exact(self.nodes.len().min(room));
        }
        self.nodes.push(node);
        id
    }

    pub(super) fn push(&mut self, node: Node) {
        let id = self.add(node);
        self.stack.push(id);
    }

    /// The height of the stack at the last open MARK. Opcodes must not pop entries below it.
    pub(super) fn floor(&self) -> usize {
        self.marks.last().map_or(0, |height| *height as usize)
    }

    pub(super) fn pop(&mut self) -> Result<NodeId> {
        if self.stack.len() <= self.floor() {
            return Err(self.error("an empty stack", "an operand"));
        }
        self.stack.pop().ok_or_else(|| self.error("an empty stack", "an operand"))
    }

    pub(super) fn top(&self) -> Result<NodeId> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => Err(self.error("an empty stack", "an operand")),
        }
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<NodeId>> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height as usize)),
            None => Err(self.error("no mark", "a MARK")),
        }
    }

    pub(super) fn pop_n(&mut self, n: usize) -> Result<Vec<NodeId>> {
        if self.stack.len() < self.floor() + n {
            return Err(self.error("an empty stack", &format!("{n} operands")));
        }
        Ok(self.stack.split_off(self.stack.len() - n))
    }

    pub(super) fn pop_str(&mut self) -> Result<Arc<str>> {
        let id = self.pop()?;
        match &self.nodes[id.0 as usize] {
            Node::Str(text) => Ok(text.clone()),
            _ => Err(self.error("no string", "the name of a class")),
        }
    }

    pub(super) fn pairs(&self, flat: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>> {
        match flat.as_chunks() {
            (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
            _ => Err(self.error("a key without a value", "keys and values")),
        }
    }

    pub(super) fn later(&mut self, target: NodeId) -> Result<&mut Later> {
        match self.nodes[target.0 as usize] {
            Node::Object { .. } | Node::Call { .. } => Ok(self.later.entry(target).or_default()),
            _ => Err(self.error("a plain value", "an object that takes items")),
        }
    }

    pub(super) fn append(&mut self, elements: &[NodeId]) -> Result<()> {
        let target = self.top()?;
        match &mut self.nodes[target.0 as usize] {
            Node::List(list) | Node::Set(list) => list.extend(elements),
            _ => self.later(target)?.elements.extend(elements),
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, flat: &[NodeId]) -> Result<()> {
        let items = self.pairs(flat)?;
        let target = self.top()?;
        match &mut self.nodes[target.0 as usize] {
            Node::Dict(dict) => dict.extend(items),
            _ => self.later(target)?.items.extend(items),
        }
        Ok(())
    }

    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        // These are attributes of a dict subclass, which the import does not need.
        if let Node::Dict(_) = self.nodes[target.0 as usize] {
            return Ok(());
        }
        let (Node::Object { .. } | Node::Call { .. }) = self.nodes[target.0 as usize] else {
            return Err(self.error("a plain value", "an object that takes a state"));
        };
        match self.states.insert(target, state) {
            Some(_) => Err(self.error("a second state", "one state per object")),
            None => Ok(()),
        }
    }

    pub(super) fn push_global(&mut self, module: Arc<str>, name: Arc<str>) -> Result<()> {
        let global = Global { module, name };
        if let Some(id) = self.globals.get(&global) {
            self.stack.push(*id);
            return Ok(());
        }
        if self.globals.len() == MOST_GLOBALS {
            let found = format!("more than {MOST_GLOBALS} classes and functions");
            return Err(self.error(found, "the classes and functions of a model"));
        }
        let id = self.add(Node::Global(Box::new(global.clone())));
        self.globals.insert(global, id);
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn push_int(&mut self, value: i64) {
        match u8::try_from(value) {
            Ok(small) => self.stack.push(NodeId(FIRST_INT + u32::from(small))),
            Err(_) => self.push(Node::Int(value)),
        }
    }

    pub(super) fn call(&mut self, function: NodeId, arguments: NodeId) {
        let ordered_dict = match &self.nodes[function.0 as usize] {
            Node::Global(global) => {
                &*global.module == "collections" && &*global.name == "OrderedDict"
            }
            _ => false,
        };
        // An empty OrderedDict, which later opcodes fill, is equivalent to a dict here.
        let empty = matches!(&self.nodes[arguments.0 as usize], Node::Tuple(all) if all.is_empty());
        if ordered_dict && empty {
            self.push(Node::Dict(Vec::new()));
        } else {
            self.push(Node::Call { function, arguments });
        }
    }

    pub(super) fn long(&mut self, bytes: &[u8]) {
        match bytes.len() {
            0..=8 => {
                let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut wide = [if negative { 0xff } else { 0 }; 8];
                wide[..bytes.len()].copy_from_slice(bytes);
                self.push_int(i64::from_le_bytes(wide));
            }
            _ => self.push(Node::Long(bytes.into())),
        }
    }

    pub(super) fn decimal(&mut self, text: &str) -> Result<()> {
        let value = text.parse().map_err(|_| self.error(text, "an integer of 64 bits"))?;
        self.push_int(value);
        Ok(())
    }

    pub(super) fn get(&mut self, index: u32) -> Result<()> {
        match self.memo.get(index) {
            Some(id) => self.stack.push(id),
            None => return Err(self.error(format!("memo {index}, unset"), "a memo set before")),
        }
        Ok(())
    }

    pub(super) fn put(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.put(index, top);
        Ok(())
    }

    pub(super) fn push_str(&mut self, n: u64) -> Result<()> {
        let bytes = self.counted(n)?;
        if bytes.is_empty() {
            self.stack.push(EMPTY_STR);
            return Ok(());
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            // Python may write lone surrogates. No name that the import needs contains them.
            Err(_) => String::from_utf8_lossy(bytes).into(),
        };
        self.push(Node::Str(text));
        Ok(())
    }

    pub(super) fn push_plain(&mut self, text: &str) -> Result<()> {
        if text.contains('\\') {
            return Err(self.error("an escaped string", "protocol 2 or newer"));
        }
        self.push(Node::Str(text.into()));
        Ok(())
    }

    pub(super) fn push_tuple(&mut self, elements: Vec<NodeId>) {
        match elements.is_empty() {
            true => self.stack.push(EMPTY_TUPLE),
            false => self.push(Node::Tuple(elements.as_slice().into())),
        }
    }

    pub(super) fn push_object(&mut self, class: NodeId, elements: Vec<NodeId>) {
        let arguments = match elements.is_empty() {
            true => EMPTY_TUPLE,
            false => self.add(Node::Tuple(elements.as_slice().into())),
        };
        self.push(Node::Object { class, arguments });
    }

    pub(super) fn memo_index(&mut self) -> Result<u32> {
        let text = self.line()?;
        text.parse().map_err(|_| self.error(text, "the number of a memo"))
    }
}
