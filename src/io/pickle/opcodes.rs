//! The opcodes of a pickle. No opcode needs recursion, so that no input can overflow the stack.

use super::graph::{Graph, Node, NodeId};
use super::machine::{EMPTY_TUPLE, FALSE, Machine, NONE, TRUE};
use crate::error::{Error, Result};

/// Runs the opcodes of a pickle up to STOP.
pub(super) fn run(pickle: &[u8]) -> Result<Graph> {
    if u32::try_from(pickle.len()).is_err() {
        return Err(Error::invalid("data.pkl", format!("{} bytes", pickle.len()), "below 4 GiB"));
    }
    let mut machine = Machine::new(pickle);
    loop {
        if let Some(root) = machine.step()? {
            return Ok(machine.graph(root));
        }
    }
}

impl Machine<'_> {
    /// Runs one opcode. Returns the saved object at STOP.
    #[rustfmt::skip]
    fn step(&mut self) -> Result<Option<NodeId>> {
        let opcode = self.opcode()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => { // PROTO
                let protocol = self.uint(1)?;
                if protocol > 5 {
                    return Err(self.error(format!("protocol {protocol}"), "at most 5"));
                }
            }
            0x95 => { self.uint(8)?; } // FRAME: a length that is not needed here
            // The pickle is below 4 GiB, and so is the stack.
            b'(' => self.marks.push(self.stack.len() as u32),
            b'0' => match self.stack.len() > self.floor() { // POP
                true => { self.stack.pop(); }
                false => { self.pop_mark()?; }
            },
            b'1' => { self.pop_mark()?; }
            b'2' => { let top = self.top()?; self.stack.push(top); }

            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b'J' => { let value = self.uint(4)? as u32 as i32; self.push_int(value.into()); }
            b'K' => { let value = self.uint(1)?; self.push_int(value as i64); }
            b'M' => { let value = self.uint(2)?; self.push_int(value as i64); }
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
            // A string of Python 2 is text if it is valid UTF-8, and bytes otherwise.
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

            b'c' => { let (module, name) = (self.line()?, self.line()?); self.push_global(module.into(), name.into())?; }
            0x93 => { let (name, module) = (self.pop_str()?, self.pop_str()?); self.push_global(module, name)?; }
            b'R' => { let (arguments, function) = (self.pop()?, self.pop()?); self.call(function, arguments); }
            0x81 => { let (arguments, class) = (self.pop()?, self.pop()?); self.push(Node::Object { class, arguments }); }
            0x92 => { // NEWOBJ_EX: modules use no keyword arguments
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Node::Object { class, arguments });
            }
            b'i' => { // INST
                let (module, name) = (self.line()?, self.line()?);
                let elements = self.pop_mark()?;
                self.push_global(module.into(), name.into())?;
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
}
