//! The checksum of a native file: SHA-256 of the file, as hexadecimal digits in a field of its
//! header. While it is computed the digits themselves are 0.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The field of the header.
pub(super) const CHECKSUM_KEY: &str = "sha256";

const N_DIGITS: usize = 64;

/// The digits before the checksum is known.
pub(super) fn blank() -> String {
    "0".repeat(N_DIGITS)
}

/// Bytes as hexadecimal digits.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Replaces the blank digits of a file by its checksum.
pub(super) fn seal(bytes: &mut [u8]) {
    if let Some(place) = place(bytes) {
        let checksum = compute(bytes, &place);
        bytes[place].copy_from_slice(checksum.as_bytes());
    }
}

/// Checks a file against its checksum.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn verify(bytes: &[u8]) -> Result<()> {
    let damaged =
        |found: &str| Err(Error::invalid("checksum", found, "a complete file; it is damaged"));
    match place(bytes) {
        None => damaged("none"),
        Some(place) if compute(bytes, &place).as_bytes() != &bytes[place.clone()] => {
            damaged("another one than that of the content")
        }
        Some(_) => Ok(()),
    }
}

/// The place of the digits. Quotation marks within a text of the header have a backslash, so the
/// key is found nowhere else.
fn place(bytes: &[u8]) -> Option<Range<usize>> {
    let n_header = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let header = bytes.get(8..)?.get(..n_header)?;
    let key = format!("\"{CHECKSUM_KEY}\":\"");
    let start = header.windows(key.len()).position(|part| part == key.as_bytes())? + key.len();
    (start + N_DIGITS <= n_header).then_some(8 + start..8 + start + N_DIGITS)
}

fn compute(bytes: &[u8], place: &Range<usize>) -> String {
    let mut hash = Sha256::new();
    hash.update(&bytes[..place.start]);
    hash.update(blank());
    hash.update(&bytes[place.end..]);
    digits(&hash.finalize())
}
