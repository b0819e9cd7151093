//! `allowed_interaction_keys`: the bead types of a prior that have been fitted.

use super::view::View;
use crate::error::Result;
use crate::io::pickle::{Archive, Node, NodeId};
use crate::model::prior::TypeKey;

/// Reads the keys. A key that cannot be read is skipped, because the tables contain the parameters.
pub(super) fn allowed(view: &View, n_beads: usize) -> Result<Vec<TypeKey>> {
    let Some(list) = view.attribute("allowed_interaction_keys")? else {
        return Ok(Vec::new());
    };
    let elements = list.sequence().unwrap_or_default();
    view.archive.charge(elements.len() * size_of::<TypeKey>())?;
    let mut keys = Vec::new();
    for element in elements {
        let Some(types) = list.at(*element, "").sequence().filter(|t| t.len() == n_beads) else {
            continue;
        };
        let mut key = TypeKey::default();
        let mut readable = true;
        for (part, id) in key.iter_mut().zip(types) {
            match integer(view.archive, *id).and_then(|value| u32::try_from(value).ok()) {
                Some(value) => *part = value,
                None => readable = false,
            }
        }
        if readable {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// An integer of Python, or a NumPy scalar: `scalar(dtype('i8'), bytes)`.
fn integer(archive: &Archive, id: NodeId) -> Option<i64> {
    if let Some(value) = archive.int(id) {
        return Some(value);
    }
    let (function, [dtype, bytes]) = archive.call(id)? else {
        return None;
    };
    let (of_dtype, [kind, ..]) = archive.call(*dtype)? else {
        return None;
    };
    if &*function.name != "scalar" || &*of_dtype.name != "dtype" {
        return None;
    }
    // The state is (version, byte order, ...).
    let order = archive.str(*archive.tuple(archive.state(*dtype)?)?.get(1)?)?;
    if !matches!(order, "<" | "|" | "=") {
        return None;
    }
    let bytes: Vec<u8> = match archive.node(*bytes) {
        Node::Bytes(bytes) if bytes.len() <= 8 => bytes.to_vec(),
        // Protocol 2 has no bytes and uses `encode(text, "latin1")` instead.
        _ => match archive.call(*bytes)? {
            (encode, [text, ..]) if &*encode.name == "encode" => {
                let text = archive.str(*text).filter(|text| text.len() <= 16)?;
                text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<_>>()?
            }
            _ => return None,
        },
    };
    let (signed, size) = match archive.str(*kind)? {
        "i1" => (true, 1),
        "i2" => (true, 2),
        "i4" => (true, 4),
        "i8" => (true, 8),
        "u1" => (false, 1),
        "u2" => (false, 2),
        "u4" => (false, 4),
        _ => return None,
    };
    if bytes.len() != size {
        return None;
    }
    let negative = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..size].copy_from_slice(&bytes);
    Some(i64::from_le_bytes(wide))
}
