//! The pickle machine: opcodes in, nodes out. No recursion, and no memory beyond a small multiple
//! of the pickle: every node, stack entry and memo entry takes at least one byte of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Global, Graph, Later, Node, NodeId};
use crate::error::{Error, Result};

const NONE: NodeId = NodeId(0);
const TRUE: NodeId = NodeId(1);
const FALSE: NodeId = NodeId(2);
const EMPTY_TUPLE: NodeId = NodeId(3);

/// Runs a pickle to its STOP.
pub(super) fn run(pickle: &[u8]) -> Result<Graph> {
    if u32::try_from(pickle.len()).is_err() {
        return Err(Error::invalid("data.pkl", format!("{} bytes", pickle.len()), "below 4 GiB"));
    }
    let shared = [Node::None, Node::Bool(true), Node::Bool(false), Node::Tuple(Box::default())];
    let mut machine = Machine {
        pickle,
        at: 0,
        op_at: 0,
        nodes: shared.into(),
        later: HashMap::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        if let Some(root) = machine.step()? {
            return Ok(Graph { nodes: machine.nodes, later: machine.later, root });
        }
    }
}

struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    op_at: usize,
    nodes: Vec<Node>,
    later: HashMap<NodeId, Later>,
    stack: Vec<NodeId>,
    /// Heights of the stack at the open MARKs.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
}

impl<'a> Machine<'a> {
    fn error(&self, found: impl ToString, expected: &str) -> Error {
        Error::invalid(format!("data.pkl, byte {}", self.op_at), found, expected)
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let left = &self.pickle[self.at..];
        match usize::try_from(n).ok().and_then(|n| left.get(..n)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.error(format!("{} bytes left", left.len()), &format!("{n} more"))),
        }
    }

    /// A little-endian unsigned integer of `n` ≤ 8 bytes.
    fn uint(&mut self, n: u64) -> Result<u64> {
        Ok(self.take(n)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The bytes after a length of `n` bytes.
    fn counted(&mut self, n: u64) -> Result<&'a [u8]> {
        let length = self.uint(n)?;
        self.take(length)
    }

    /// A line of text, for the opcodes of protocol 0.
    fn line(&mut self) -> Result<&'a str> {
        let left = &self.pickle[self.at..];
        let Some(length) = left.iter().position(|byte| *byte == b'\n') else {
            return Err(self.error("no end of line", "a line of text"));
        };
        self.at += length + 1;
        self.text(&left[..length])
    }

    fn text(&self, bytes: &'a [u8]) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|error| self.error(error, "UTF-8"))
    }

    fn add(&mut self, node: Node) -> NodeId {
        // The pickle is below 4 GiB and an opcode adds at most two nodes, of which one is counted
        // by an argument of its own.
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    fn push(&mut self, node: Node) {
        let id = self.add(node);
        self.stack.push(id);
    }

    /// The lowest height of the stack that opcodes may touch.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<NodeId> {
        if self.stack.len() <= self.floor() {
            return Err(self.error("an empty stack", "an operand"));
        }
        self.stack.pop().ok_or_else(|| self.error("an empty stack", "an operand"))
    }

    fn top(&self) -> Result<NodeId> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => Err(self.error("an empty stack", "an operand")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<NodeId>> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => Err(self.error("no mark", "a MARK")),
        }
    }

    fn pop_n(&mut self, n: usize) -> Result<Vec<NodeId>> {
        if self.stack.len() < self.floor() + n {
            return Err(self.error("an empty stack", &format!("{n} operands")));
        }
        Ok(self.stack.split_off(self.stack.len() - n))
    }

    fn pop_str(&mut self) -> Result<Arc<str>> {
        let id = self.pop()?;
        match &self.nodes[id.0 as usize] {
            Node::Str(text) => Ok(text.clone()),
            _ => Err(self.error("no string", "the name of a class")),
        }
    }

    fn pairs(&self, flat: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>> {
        match flat.as_chunks() {
            (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
            _ => Err(self.error("a key without a value", "keys and values")),
        }
    }

    fn later(&mut self, target: NodeId) -> Result<&mut Later> {
        match self.nodes[target.0 as usize] {
            Node::Object { .. } | Node::Call { .. } => Ok(self.later.entry(target).or_default()),
            _ => Err(self.error("a plain value", "an object that takes a state or items")),
        }
    }

    fn append(&mut self, elements: &[NodeId]) -> Result<()> {
        let target = self.top()?;
        match &mut self.nodes[target.0 as usize] {
            Node::List(list) | Node::Set(list) => list.extend(elements),
            _ => self.later(target)?.elements.extend(elements),
        }
        Ok(())
    }

    fn set_items(&mut self, flat: &[NodeId]) -> Result<()> {
        let items = self.pairs(flat)?;
        let target = self.top()?;
        match &mut self.nodes[target.0 as usize] {
            Node::Dict(dict) => dict.extend(items),
            _ => self.later(target)?.items.extend(items),
        }
        Ok(())
    }

    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        // The attributes of a dict subclass; no model reads them.
        if let Node::Dict(_) = self.nodes[target.0 as usize] {
            return Ok(());
        }
        let later = self.later(target)?;
        if later.state.replace(state).is_some() {
            return Err(self.error("a second state", "one state per object"));
        }
        Ok(())
    }

    fn push_global(&mut self, module: Arc<str>, name: Arc<str>) {
        self.push(Node::Global(Box::new(Global { module, name })));
    }

    fn call(&mut self, function: NodeId, arguments: NodeId) {
        let ordered_dict = match &self.nodes[function.0 as usize] {
            Node::Global(global) => {
                &*global.module == "collections" && &*global.name == "OrderedDict"
            }
            _ => false,
        };
        // An empty OrderedDict, to be filled, differs from a dict in nothing that matters here.
        if ordered_dict && self.nodes[arguments.0 as usize] == Node::Tuple(Box::default()) {
            self.push(Node::Dict(Vec::new()));
        } else {
            self.push(Node::Call { function, arguments });
        }
    }

    fn long(&mut self, bytes: &[u8]) {
        let node = match bytes.len() {
            0..=8 => {
                let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut wide = [if negative { 0xff } else { 0 }; 8];
                wide[..bytes.len()].copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(wide))
            }
            _ => Node::Long(bytes.into()),
        };
        self.push(node);
    }

    fn decimal(&mut self, text: &str) -> Result<()> {
        let value = text.parse().map_err(|_| self.error(text, "an integer of 64 bits"))?;
        self.push(Node::Int(value));
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<()> {
        match self.memo.get(&index) {
            Some(id) => self.stack.push(*id),
            None => return Err(self.error(format!("memo {index}, unset"), "a memo set before")),
        }
        Ok(())
    }

    fn put(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    /// One opcode; the saved object at STOP.
    #[rustfmt::skip]
    fn step(&mut self) -> Result<Option<NodeId>> {
        self.op_at = self.at;
        let opcode = self.uint(1)? as u8;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => { // PROTO
                let protocol = self.uint(1)?;
                if protocol > 5 {
                    return Err(self.error(format!("protocol {protocol}"), "at most 5"));
                }
            }
            0x95 => { self.uint(8)?; } // FRAME, only a hint
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.stack.len() > self.floor() { // POP
                true => { self.stack.pop(); }
                false => { self.pop_mark()?; }
            },
            b'1' => { self.pop_mark()?; }
            b'2' => { let top = self.top()?; self.stack.push(top); }

            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b'J' => { let value = self.uint(4)? as u32 as i32; self.push(Node::Int(value.into())); }
            b'K' => { let value = self.uint(1)?; self.push(Node::Int(value as i64)); }
            b'M' => { let value = self.uint(2)?; self.push(Node::Int(value as i64)); }
            0x8a => { let bytes = self.counted(1)?; self.long(bytes); }
            0x8b => { let bytes = self.counted(4)?; self.long(bytes); }
            b'I' => match self.line()? {
                "00" => self.stack.push(FALSE),
                "01" => self.stack.push(TRUE),
                text => self.decimal(text)?,
            },
            b'L' => { let text = self.line()?; self.decimal(text.strip_suffix('L').unwrap_or(text))?; }
            b'G' => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                self.push(Node::Float(f64::from_be_bytes(bytes)));
            }
            b'F' => {
                let text = self.line()?;
                let value = text.parse().map_err(|_| self.error(text, "a number"))?;
                self.push(Node::Float(value));
            }
            b'X' => self.push_str(4)?,
            0x8c => self.push_str(1)?,
            0x8d => self.push_str(8)?,
            b'V' => { let text = self.line()?; self.push_plain(text)?; }
            b'S' => {
                let line = self.line()?;
                let quoted = |q: char| line.strip_prefix(q).and_then(|line| line.strip_suffix(q));
                match quoted('\'').or_else(|| quoted('"')) {
                    Some(text) => self.push_plain(text)?,
                    None => return Err(self.error(line, "a quoted string")),
                }
            }
            // The strings of Python 2 are text where they are UTF-8.
            b'T' | b'U' => {
                let bytes = self.counted(if opcode == b'T' { 4 } else { 1 })?;
                self.push(match std::str::from_utf8(bytes) {
                    Ok(text) => Node::Str(text.into()),
                    Err(_) => Node::Bytes(bytes.into()),
                });
            }
            b'B' => { let bytes = self.counted(4)?; self.push(Node::Bytes(bytes.into())); }
            b'C' => { let bytes = self.counted(1)?; self.push(Node::Bytes(bytes.into())); }
            0x8e | 0x96 => { let bytes = self.counted(8)?; self.push(Node::Bytes(bytes.into())); }

            b')' => self.stack.push(EMPTY_TUPLE),
            b't' => { let elements = self.pop_mark()?; self.push_tuple(elements); }
            0x85..=0x87 => { let elements = self.pop_n((opcode - 0x84).into())?; self.push_tuple(elements); }
            b']' => self.push(Node::List(Vec::new())),
            b'l' => { let elements = self.pop_mark()?; self.push(Node::List(elements)); }
            b'a' => { let element = self.pop()?; self.append(&[element])?; }
            b'e' | 0x90 => { let elements = self.pop_mark()?; self.append(&elements)?; }
            0x8f => self.push(Node::Set(Vec::new())),
            0x91 => { let elements = self.pop_mark()?; self.push(Node::Set(elements)); }
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => { let flat = self.pop_mark()?; let items = self.pairs(&flat)?; self.push(Node::Dict(items)); }
            b's' => { let item = self.pop_n(2)?; self.set_items(&item)?; }
            b'u' => { let flat = self.pop_mark()?; self.set_items(&flat)?; }

            b'q' => { let index = self.uint(1)? as u32; self.put(index)?; }
            b'r' => { let index = self.uint(4)? as u32; self.put(index)?; }
            b'p' => { let index = self.memo_index()?; self.put(index)?; }
            0x94 => { let index = self.memo.len() as u32; self.put(index)?; }
            b'h' => { let index = self.uint(1)? as u32; self.get(index)?; }
            b'j' => { let index = self.uint(4)? as u32; self.get(index)?; }
            b'g' => { let index = self.memo_index()?; self.get(index)?; }

            b'c' => { let (module, name) = (self.line()?, self.line()?); self.push_global(module.into(), name.into()); }
            0x93 => { let (name, module) = (self.pop_str()?, self.pop_str()?); self.push_global(module, name); }
            b'R' => { let (arguments, function) = (self.pop()?, self.pop()?); self.call(function, arguments); }
            0x81 => { let (arguments, class) = (self.pop()?, self.pop()?); self.push(Node::Object { class, arguments }); }
            0x92 => { // NEWOBJ_EX; keyword arguments do not occur in modules
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Node::Object { class, arguments });
            }
            b'i' => { // INST
                let (module, name) = (self.line()?, self.line()?);
                let elements = self.pop_mark()?;
                self.push_global(module.into(), name.into());
                let class = self.pop()?;
                self.push_object(class, elements);
            }
            b'o' => { // OBJ
                let mut elements = self.pop_mark()?;
                if elements.is_empty() {
                    return Err(self.error("no class", "a class and its arguments"));
                }
                let class = elements.remove(0);
                self.push_object(class, elements);
            }
            b'b' => self.build()?,
            b'Q' => { let id = self.pop()?; self.push(Node::Persistent(id)); }
            b'P' => {
                let text = self.line()?;
                let id = self.add(Node::Str(text.into()));
                self.push(Node::Persistent(id));
            }
            _ => return Err(self.error(format!("opcode 0x{opcode:02x}"), "an opcode torch.save uses")),
        }
        Ok(None)
    }

    fn push_str(&mut self, n: u64) -> Result<()> {
        let bytes = self.counted(n)?;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            // Python writes lone surrogates, which no name of interest contains.
            Err(_) => String::from_utf8_lossy(bytes).into(),
        };
        self.push(Node::Str(text));
        Ok(())
    }

    fn push_plain(&mut self, text: &str) -> Result<()> {
        if text.contains('\\') {
            return Err(self.error("an escaped string", "protocol 2 or newer"));
        }
        self.push(Node::Str(text.into()));
        Ok(())
    }

    fn push_tuple(&mut self, elements: Vec<NodeId>) {
        match elements.is_empty() {
            true => self.stack.push(EMPTY_TUPLE),
            false => self.push(Node::Tuple(elements.into())),
        }
    }

    fn push_object(&mut self, class: NodeId, elements: Vec<NodeId>) {
        let arguments = match elements.is_empty() {
            true => EMPTY_TUPLE,
            false => self.add(Node::Tuple(elements.into())),
        };
        self.push(Node::Object { class, arguments });
    }

    fn memo_index(&mut self) -> Result<u32> {
        let text = self.line()?;
        text.parse().map_err(|_| self.error(text, "the number of a memo"))
    }
}
