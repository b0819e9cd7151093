//! The zip container of a `.pt` file: the names and byte ranges of its members.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::io::content::{other_zip, wrong_content};

/// A file in memory, with the byte ranges of its members. Members are not copied.
pub(super) struct Container {
    bytes: Vec<u8>,
    members: HashMap<String, Range<usize>>,
    /// The folder of `data.pkl`, with the slash. It can differ from the name of the file.
    stem: String,
}

impl Container {
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(b"PK") {
            return Err(wrong_content(&bytes, "a .pt file, a zip file written by torch.save"));
        }
        let (mut at, n_members) = directory(&bytes)?;
        let mut entries = Vec::new();
        for _ in 0..n_members {
            entries.push(Member::read(&bytes, &mut at)?);
        }
        if let Some((name, advice)) = other_zip(entries.iter().map(|entry| entry.name.as_str())) {
            let expected = format!("a zip file written by torch.save; {advice}");
            return Err(Error::invalid("content", name, expected));
        }
        let mut ranges =
            entries.iter().map(|entry| entry.range(&bytes)).collect::<Result<Vec<_>>>()?;
        let mut members = HashMap::new();
        for (Member { name, .. }, range) in entries.iter().zip(&ranges) {
            if members.insert(name.clone(), range.clone()).is_some() {
                return Err(Error::invalid(format!("zip member {name}"), "twice", "once"));
            }
        }
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        if ranges.windows(2).any(|pair| pair[1].start < pair[0].end) {
            return Err(Error::invalid("zip members", "overlapping bytes", "separate members"));
        }
        // Members that overlap would make the time of this check quadratic in the size of the file.
        for entry in &entries {
            entry.check_sum(&bytes[members[&entry.name].clone()])?;
        }
        let stems = members.keys().filter_map(|name| name.strip_suffix("data.pkl"));
        let mut stems: Vec<_> = stems.filter(|stem| stem.ends_with('/')).collect();
        let stem = match (stems.pop(), stems.len()) {
            (Some(stem), 0) => stem.to_owned(),
            (_, others) => {
                let found = format!("{} members named data.pkl", others + 1);
                return Err(Error::invalid("zip members", found, "one"));
            }
        };
        let container = Container { bytes, members, stem };
        if let Some(range) = container.range("byteorder") {
            let order = String::from_utf8_lossy(&container.bytes[range]).trim().to_owned();
            if order != "little" {
                let what = format!("byte order {order:?}");
                return Err(Error::unsupported(what, "save the file on a little-endian machine"));
            }
        }
        Ok(container)
    }

    /// The bytes of the file. All ranges refer to them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The range of the member `<stem>/<name>`.
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.members.get(&format!("{}{name}", self.stem)).cloned()
    }

    /// The pickle.
    pub(super) fn pickle(&self) -> &[u8] {
        self.range("data.pkl").map_or(&[], |range| &self.bytes[range])
    }
}

fn broken(found: &str) -> Error {
    let expected = "a complete zip file written by torch.save; it may be truncated";
    Error::invalid("zip container", found, expected)
}

/// The `N` bytes at `at`.
fn fixed<const N: usize>(bytes: &[u8], at: usize) -> Result<&[u8; N]> {
    let field =
        at.checked_add(N).and_then(|end| bytes.get(at..end)).and_then(|f| f.try_into().ok());
    field.ok_or_else(|| broken("a record cut short"))
}

fn u16_at(record: &[u8], at: usize) -> Result<usize> {
    Ok(u16::from_le_bytes(*fixed(record, at)?).into())
}

fn u32_at(record: &[u8], at: usize) -> Result<u64> {
    Ok(u32::from_le_bytes(*fixed(record, at)?).into())
}

fn u64_at(record: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(*fixed(record, at)?))
}

fn offset(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_| broken("an offset beyond the file"))
}

/// The start of the central directory, and the number of its members. Local headers cannot replace
/// the directory, because torch writes sizes of 0 into them.
fn directory(bytes: &[u8]) -> Result<(usize, u64)> {
    const END: usize = 22;
    const LOCATOR: usize = 20;
    let lowest = bytes.len().saturating_sub(END + usize::from(u16::MAX));
    let end = (lowest..=bytes.len().saturating_sub(END))
        .rev()
        .find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))
        .ok_or_else(|| broken("no end of the central directory"))?;
    if let Some(locator) = end.checked_sub(LOCATOR)
        && bytes[locator..].starts_with(b"PK\x06\x07")
    {
        let record = offset(u64_at(bytes, locator + 8)?)?;
        if fixed(bytes, record)? != b"PK\x06\x06" {
            return Err(broken("no 64-bit end of the central directory"));
        }
        let record: &[u8; 56] = fixed(bytes, record)?;
        return Ok((offset(u64_at(record, 48)?)?, u64_at(record, 32)?));
    }
    let record: &[u8; END] = fixed(bytes, end)?;
    Ok((offset(u32_at(record, 16)?)?, u16_at(record, 10)? as u64))
}

/// An entry of the central directory.
struct Member {
    name: String,
    encrypted: bool,
    method: usize,
    checksum: u64,
    compressed: u64,
    size: u64,
    header: u64,
}

impl Member {
    /// Reads the entry at `at`, and advances `at` to the next entry.
    fn read(bytes: &[u8], at: &mut usize) -> Result<Self> {
        const ENTRY: usize = 46;
        let record: &[u8; ENTRY] = fixed(bytes, *at)?;
        if !record.starts_with(b"PK\x01\x02") {
            return Err(broken("no entry where the central directory should be"));
        }
        let [name_len, extra_len, comment_len] =
            [u16_at(record, 28)?, u16_at(record, 30)?, u16_at(record, 32)?];
        let variable = &bytes[*at + ENTRY..];
        let Some(name) = variable.get(..name_len) else {
            return Err(broken("a name cut short"));
        };
        let Some(mut extra) = variable.get(name_len..name_len + extra_len) else {
            return Err(broken("a record cut short"));
        };
        *at += ENTRY + name_len + extra_len + comment_len;

        let mut sizes = [u32_at(record, 24)?, u32_at(record, 20)?, u32_at(record, 42)?];
        while let Ok(length) = u16_at(extra, 2) {
            let Some(body) = extra.get(4..4 + length) else { break };
            if extra.starts_with(&1u16.to_le_bytes()) {
                // The 64-bit values, in order, of those fields whose 32 bits were not enough.
                let wide = sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX));
                for (w, size) in wide.enumerate() {
                    *size = u64_at(body, 8 * w)?;
                }
            }
            extra = &extra[4 + length..];
        }
        let [size, compressed, header] = sizes;
        Ok(Member {
            name: String::from_utf8_lossy(name).into_owned(),
            encrypted: u16_at(record, 8)? & 1 != 0,
            method: u16_at(record, 10)?,
            checksum: u32_at(record, 16)?,
            compressed,
            size,
            header,
        })
    }

    /// The byte range of the member in the file.
    fn range(&self, bytes: &[u8]) -> Result<Range<usize>> {
        let Member { name, .. } = self;
        if self.encrypted {
            return Err(Error::unsupported(format!("the encrypted zip member {name}"), ""));
        }
        if self.method != 0 {
            return Err(Error::unsupported(
                format!("the compressed zip member {name}"),
                "torch.save stores members uncompressed; save the file with it again",
            ));
        }
        let header = offset(self.header)?;
        if fixed(bytes, header)? != b"PK\x03\x04" {
            return Err(broken("no local header where a member should be"));
        }
        let header_bytes: &[u8; 30] = fixed(bytes, header)?;
        let start = header + 30 + u16_at(header_bytes, 26)? + u16_at(header_bytes, 28)?;
        let end = usize::try_from(self.size).ok().and_then(|size| start.checked_add(size));
        let range = match end {
            Some(end) if end <= bytes.len() && self.size == self.compressed => start..end,
            _ => {
                let found = format!("{} bytes from byte {start} on", self.size);
                let expected = format!("bytes inside the {} of the file", bytes.len());
                return Err(Error::invalid(format!("zip member {name}"), found, expected));
            }
        };
        Ok(range)
    }

    /// Compares the stored checksum with that of the content.
    fn check_sum(&self, content: &[u8]) -> Result<()> {
        // Some writers skip checksums and store 0.
        if self.checksum != 0 && self.checksum != u64::from(crc32fast::hash(content)) {
            let field = format!("zip member {}", self.name);
            return Err(Error::invalid(field, "another checksum", "the stored checksum"));
        }
        Ok(())
    }
}
