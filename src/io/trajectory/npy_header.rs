//! The header of a `.npy` file: a Python dict of `descr`, `fortran_order` and `shape`.
//!
//! Only arrays of plain numbers are supported. Their headers need no recursive parser, so that no
//! input can overflow the stack.

/// The header of an array of plain numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NpyHeader {
    /// The type of the numbers, for example `<f4`.
    pub(super) descr: String,
    /// Whether the first index of the shape varies fastest.
    pub(super) fortran_order: bool,
    /// The lengths of the axes.
    pub(super) shape: Vec<u64>,
}

impl NpyHeader {
    /// Parses the text of a header; `None` if it is damaged or the array does not contain plain
    /// numbers.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = Text(std::str::from_utf8(text).ok()?);
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        rest.expect("{")?;
        while rest.expect("}").is_none() {
            let key = rest.string()?;
            rest.expect(":")?;
            match key {
                "descr" => descr = Some(rest.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(rest.boolean()?),
                "shape" => shape = Some(rest.tuple()?),
                _ => return None,
            }
            if rest.expect(",").is_none() {
                rest.expect("}")?;
                break;
            }
        }
        let end = rest.0.trim().is_empty();
        end.then_some(NpyHeader { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

impl NpyHeader {
    /// The bytes of a number; `None` for other types than whole numbers, and floats of 4 or 8 bytes.
    pub(super) fn width(&self) -> Option<u64> {
        match self.descr.get(1..)? {
            "i1" | "u1" => Some(1),
            "i2" | "u2" => Some(2),
            "i4" | "u4" | "f4" => Some(4),
            "i8" | "u8" | "f8" => Some(8),
            _ => None,
        }
    }
}

/// The length of a header that is written. The longest shape fits, so that a header can be replaced.
pub(super) const HEADER_BYTES: usize = 128;

/// The bytes of a header, in version 1.0 of the format.
pub(super) fn header(descr: &str, fortran_order: bool, shape: &[u64]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    // A tuple of one element needs its comma.
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let (shape, width) = (shape.trim_end(), HEADER_BYTES - 11);
    let shape = if shape.matches(',').count() > 1 { shape.trim_end_matches(',') } else { shape };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((HEADER_BYTES as u16 - 10).to_le_bytes());
    header.extend(format!("{text:width$}\n").bytes());
    header
}

/// The header of an array of `f64` in C order, which its numbers follow in little-endian order.
pub fn npy_header(shape: &[u64]) -> Vec<u8> {
    header("<f8", false, shape)
}

/// The text that is not parsed yet.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn expect(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote =
            if self.expect("'").is_some() { '\'' } else { self.expect("\"").map(|()| '"')? };
        let (string, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.expect("True") {
            Some(()) => Some(true),
            None => self.expect("False").map(|()| false),
        }
    }

    fn tuple(&mut self) -> Option<Vec<u64>> {
        self.expect("(")?;
        let mut numbers = Vec::new();
        while self.expect(")").is_none() {
            self.0 = self.0.trim_start();
            let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
            numbers.push(self.0[..length].parse().ok()?);
            self.0 = &self.0[length..];
            // Python 2 writes an L after long integers.
            let _ = self.expect("L");
            if self.expect(",").is_none() {
                self.expect(")")?;
                break;
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_plain_arrays_are_read() {
        let plain = |text: &str| NpyHeader::parse(text.as_bytes());
        let header = |descr: &str, fortran_order, shape: &[u64]| {
            Some(NpyHeader { descr: descr.into(), fortran_order, shape: shape.into() })
        };
        let numpy = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 10, 3), }     \n";
        assert_eq!(plain(numpy), header("<f4", false, &[2, 10, 3]));
        let other = "{\"shape\":(7L,),\"fortran_order\":True,\"descr\":\">f8\"}";
        assert_eq!(plain(other), header(">f8", true, &[7]));
        let scalar = "{'descr': '<i8', 'fortran_order': False, 'shape': ()}";
        assert_eq!(plain(scalar), header("<i8", false, &[]));
    }

    #[test]
    fn written_headers_have_one_length_and_are_read() {
        for shape in [&[][..], &[7], &[3, 0], &[u64::MAX; 2], &[1 << 28; 4]] {
            let bytes = header("<f4", true, shape);
            assert_eq!((bytes.len(), bytes[HEADER_BYTES - 1]), (HEADER_BYTES, b'\n'));
            let parsed = NpyHeader::parse(&bytes[10..]).unwrap();
            let expected =
                NpyHeader { descr: "<f4".into(), fortran_order: true, shape: shape.into() };
            assert_eq!(parsed, expected);
        }
    }

    #[test]
    fn other_headers_are_refused() {
        let sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 10, 3)}";
        assert!(NpyHeader::parse(sound.as_bytes()).is_some());
        for n in 0..sound.len() {
            assert_eq!(NpyHeader::parse(&sound.as_bytes()[..n]), None, "{n} bytes");
        }
        for text in [
            "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} more",
            "{'descr': '<f4', 'fortran_order': False}",
        ] {
            assert_eq!(NpyHeader::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(NpyHeader::parse(b"\xff"), None);
    }
}
