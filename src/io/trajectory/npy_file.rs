//! Opening of `.npy` files, and arrays of whole numbers in them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::frame::open;
use super::npy_header::NpyHeader;
use crate::error::{Error, OfFile, Result};
use crate::io::content::{check_shape, wrong_content};

/// Upper limit of the bytes in a header. The header of an array of plain numbers is much shorter.
const LONGEST_HEADER: u64 = 4096;

/// The first bytes of a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// A file whose data have the length that the header says.
pub(super) struct NpyFile {
    pub(super) file: File,
    pub(super) header: NpyHeader,
    /// The offset of the first number.
    pub(super) start: u64,
}

impl NpyFile {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let (mut file, length) = open(path)?;
        let invalid = |field: &str, found: String, expected: &str| {
            Error::invalid(field, found, expected).of_file(path)
        };
        let mut head = Vec::new();
        (&mut file).take(LONGEST_HEADER + 12).read_to_end(&mut head).map_err(io)?;
        if !head.starts_with(MAGIC) {
            return Err(wrong_content(&head, "a NumPy array (.npy)").of_file(path));
        }
        let truncated = || invalid("header", "a truncated file".into(), "a NumPy array");
        let (text_at, size) = match head.get(6).ok_or_else(truncated)? {
            1 => (10, head.get(8..10).map(|n| u32::from(n[0]) | u32::from(n[1]) << 8)),
            2 | 3 => (12, head.get(8..12).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]]))),
            version => {
                return Err(invalid("header", format!("version {version}"), "version 1, 2 or 3"));
            }
        };
        let end = text_at + size.ok_or_else(truncated)? as usize;
        let Some(text) = head.get(text_at..end) else {
            let found = format!("{} bytes", end - text_at);
            return Err(invalid("header", found, "a shorter header, inside the file"));
        };
        let damage = || invalid("header", "unknown content".into(), "that of an array of numbers");
        let header = NpyHeader::parse(text).ok_or_else(damage)?;
        let sizes = header.shape.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX));
        check_shape("shape", &sizes.collect::<Vec<_>>()).of_file(path)?;
        let start = end as u64;
        if let Some(width) = header.width() {
            let bytes = header.shape.iter().try_fold(width, |product, n| product.checked_mul(*n));
            if bytes != Some(length.saturating_sub(start)) {
                let found = format!("{} bytes of data", length.saturating_sub(start));
                let expected = format!("{width} bytes for each number of shape {:?}", header.shape);
                return Err(invalid("data", found, &expected));
            }
        }
        Ok(NpyFile { file, header, start })
    }
}

/// The most bead types of a file.
const MOST_TYPES: u64 = 1 << 24;

/// Reads bead types from a `.npy` file of shape (beads).
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a damaged file, another shape, and numbers that are not whole.
pub fn read_npy_types(path: &Path) -> Result<Vec<u32>> {
    let io = |error| Error::io(path, error);
    let NpyFile { mut file, header, start } = NpyFile::open(path)?;
    let NpyHeader { descr, shape, .. } = &header;
    let invalid = |field: String, found: String, expected: &str| {
        Error::invalid(field, found, expected).of_file(path)
    };
    match shape[..] {
        [n] if n <= MOST_TYPES => {}
        _ => return Err(invalid("shape".into(), format!("{shape:?}"), "(beads), a type for each")),
    }
    let wrong = || invalid("type".into(), descr.clone(), "an array of numbers");
    let width = header.width().ok_or_else(wrong)? as usize;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    file.read_to_end(&mut bytes).map_err(io)?;
    if descr.starts_with('>') {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    let number = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(bytes);
        let unused = 64 - 8 * width as u32;
        let [a, b, c, d, ..] = wide;
        match descr.as_bytes()[1] {
            b'i' => (i64::from_le_bytes(wide) << unused >> unused) as f64,
            b'f' if width == 4 => f32::from_le_bytes([a, b, c, d]).into(),
            b'f' => f64::from_le_bytes(wide),
            _ => u64::from_le_bytes(wide) as f64,
        }
    };
    let of_bead = |(bead, bytes): (usize, &[u8])| {
        let number = number(bytes);
        let is_type = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        let wrong = || invalid(format!("bead {bead}"), number.to_string(), "a whole number >= 0");
        is_type.then_some(number as u32).ok_or_else(wrong)
    };
    bytes.chunks_exact(width).enumerate().map(of_bead).collect()
}
