//! Single numbers: those of Python, and scalars and arrays of one element of NumPy.

use half::f16;

use super::archive::Archive;
use super::graph::{Node, NodeId};

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Scalar {
    /// The number as f64. Integers beyond 2^53 are rounded.
    pub fn value(self) -> f64 {
        match self {
            Scalar::Bool(value) => value.into(),
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
        }
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Int(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
        }
    }
}

impl Archive {
    /// The number that a node represents; `None` if it represents another kind of object. Tensors
    /// are not numbers here.
    pub fn scalar(&self, id: NodeId) -> Option<Scalar> {
        match self.node(id) {
            Node::Bool(value) => Some(Scalar::Bool(*value)),
            Node::Int(value) => Some(Scalar::Int(*value)),
            Node::Float(value) => Some(Scalar::Float(*value)),
            _ => self.numpy(id),
        }
    }

    /// A scalar is `scalar(dtype, bytes)`. An array is `_frombuffer(bytes, dtype, shape, order)`, or
    /// has the state (version, shape, dtype, order, bytes).
    fn numpy(&self, id: NodeId) -> Option<Scalar> {
        let (function, arguments) = self.call(id)?;
        if !function.module.starts_with("numpy.") {
            return None;
        }
        let is_one = |shape: &[NodeId]| shape.iter().all(|size| self.int(*size) == Some(1));
        match (&*function.name, arguments) {
            ("scalar", [dtype, bytes]) => self.element(*dtype, *bytes),
            ("_frombuffer", [bytes, dtype, shape, _order]) => match is_one(self.tuple(*shape)?) {
                true => self.element(*dtype, *bytes),
                false => None,
            },
            ("_reconstruct", _) => {
                let [_version, shape, dtype, _order, bytes] = self.tuple(self.state(id)?)? else {
                    return None;
                };
                if is_one(self.tuple(*shape)?) { self.element(*dtype, *bytes) } else { None }
            }
            _ => None,
        }
    }

    /// The only element of the given type.
    fn element(&self, dtype: NodeId, bytes: NodeId) -> Option<Scalar> {
        let (function, [kind, ..]) = self.call(dtype)? else { return None };
        if !(&*function.name == "dtype" && function.module.starts_with("numpy")) {
            return None;
        }
        // The state is (version, byte order, ...).
        let order = self.str(*self.tuple(self.state(dtype)?)?.get(1)?)?;
        let mut bytes = self.few_bytes(bytes)?;
        match order {
            "<" | "|" | "=" => {}
            ">" => bytes.reverse(),
            _ => return None,
        }
        decode(self.str(*kind)?, &bytes)
    }

    /// Up to 8 bytes. Protocol 2 has no bytes and uses `encode(text, "latin1")` instead.
    fn few_bytes(&self, id: NodeId) -> Option<Vec<u8>> {
        match self.node(id) {
            Node::Bytes(bytes) if bytes.len() <= 8 => Some(bytes.to_vec()),
            Node::Str(text) if text.len() <= 8 && text.is_ascii() => Some(text.as_bytes().into()),
            _ => match self.call(id)? {
                (encode, [text, ..]) if &*encode.name == "encode" => {
                    let text = self.str(*text).filter(|text| text.len() <= 16)?;
                    text.chars().map(|c| u8::try_from(c).ok()).collect()
                }
                _ => None,
            },
        }
    }
}

/// A little-endian number of a type such as `i8`, which NumPy names by its number of bytes.
fn decode(kind: &str, bytes: &[u8]) -> Option<Scalar> {
    let size: usize = kind.get(1..)?.parse().ok()?;
    if bytes.len() != size || !(1..=8).contains(&size) {
        return None;
    }
    let negative = kind.starts_with('i') && bytes[size - 1] & 0x80 != 0;
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..size].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    Some(match kind {
        "b1" => Scalar::Bool(bits != 0),
        "i1" | "i2" | "i4" | "i8" => Scalar::Int(bits as i64),
        "u1" | "u2" | "u4" | "u8" => match i64::try_from(bits) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::Float(bits as f64),
        },
        "f2" => Scalar::Float(f16::from_bits(bits as u16).into()),
        "f4" => Scalar::Float(f32::from_bits(bits as u32).into()),
        "f8" => Scalar::Float(f64::from_bits(bits)),
        _ => return None,
    })
}
