//! Reading of structure files of either format. The content decides, not the name.
//!
//! mmCIF is read by the names of its items. The readers are our own. pdbtbx (0.12) joins chains
//! that have the same letter on both sides of TER, copies atoms into every conformer, and refuses
//! serial numbers that are not decimal, short lines, and mmCIF files without `type_symbol` or
//! `label_*` items. The other readers of CIF need a newer compiler, have an incompatible license or
//! round coordinates to f32.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::atoms::{Builder, Contents, Frame, Group, ModelChoice};
use super::names::is_water;
use super::{mmcif, pdb};
use crate::error::{Error, Result};
use crate::io::content::{ENOUGH, wrong_content};

/// The bytes of a file. A file that is no text, which may be endless, is not read to its end.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`].
pub(super) fn bytes(path: &Path, expected: &str) -> Result<Vec<u8>> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    (&mut file).take(ENOUGH as u64).read_to_end(&mut bytes).map_err(io)?;
    if bytes.contains(&0) {
        return Err(wrong_content(&bytes, expected).of_file(path));
    }
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// The bytes of a PDB or mmCIF file; `None` for a file that does not start like one.
pub(super) fn bytes_of_structure(path: &Path) -> Result<Option<Vec<u8>>> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    (&mut file).take(ENOUGH as u64).read_to_end(&mut bytes).map_err(io)?;
    if !is_structure_file(&bytes) {
        return Ok(None);
    }
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

pub(super) const EXPECTED: &str = "a structure file, PDB or mmCIF, with atoms";

/// Whether a file starts as a PDB or mmCIF file.
pub(super) fn is_structure_file(start: &[u8]) -> bool {
    !start.contains(&0) && (is_name(&name(start)) || format(start).is_some())
}

/// How messages call a file by its start.
pub(super) fn name(start: &[u8]) -> String {
    match wrong_content(&start[..start.len().min(ENOUGH)], EXPECTED) {
        Error::Invalid { found, .. } => found,
        error => error.to_string(),
    }
}

/// Whether this is how messages call a structure file.
fn is_name(found: &str) -> bool {
    ["a PDB file", "an mmCIF file"].contains(&found)
}

/// SHA-256 of a file, as hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the models of a file that are asked for.
pub(super) fn parse(bytes: &[u8], choice: &ModelChoice) -> Result<Contents> {
    let text = lines(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let text = &*text;
    let mut builder = Builder::new(choice);
    match format(text) {
        Some(Format::Mmcif) => mmcif::read(text, &mut builder)?,
        Some(Format::Pdb) => pdb::read(text, &mut builder)?,
        None => {
            let found = name(bytes);
            if is_name(&found) {
                let found = format!("{found} without atoms");
                return Err(Error::invalid("content", found, EXPECTED));
            }
            return Err(wrong_content(&bytes[..bytes.len().min(ENOUGH)], EXPECTED));
        }
    }
    let mut contents = builder.finish();
    check(&contents, choice)?;
    contents.frames.iter_mut().for_each(forget_useless_polymers);
    Ok(contents)
}

enum Format {
    Pdb,
    Mmcif,
}

/// A text whose lines end with `\n`, also those that end with a `\r` alone.
fn lines(text: &[u8]) -> Cow<'_, [u8]> {
    let is_alone = |at: usize| text[at] == b'\r' && text.get(at + 1) != Some(&b'\n');
    if !(0..text.len()).any(is_alone) {
        return Cow::Borrowed(text);
    }
    (0..text.len()).map(|at| if is_alone(at) { b'\n' } else { text[at] }).collect()
}

/// The format of a text; `None` for a text without atoms.
fn format(text: &[u8]) -> Option<Format> {
    const NAME: &[u8] = b"_atom_site.";
    let starts = |line: &[u8], word: &[u8]| {
        line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let lines = || text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let first = lines().find(|line| !line.is_empty() && !line.starts_with(b"#"))?;
    if [&b"data_"[..], b"loop_", b"save_", b"global_", b"_"].iter().any(|word| starts(first, word))
    {
        let has_atoms = text.windows(NAME.len()).any(|word| word.eq_ignore_ascii_case(NAME));
        return has_atoms.then_some(Format::Mmcif);
    }
    // Something precedes the structure. Lines of atoms start with the same words in both formats,
    // but names come first in mmCIF.
    lines().find_map(|line| {
        if starts(line, NAME) {
            Some(Format::Mmcif)
        } else if pdb::is_atom(line) {
            Some(Format::Pdb)
        } else {
            None
        }
    })
}

fn check(contents: &Contents, choice: &ModelChoice) -> Result<()> {
    let has_atoms = |frame: &Frame| !frame.segments.is_empty();
    if contents.frames.iter().any(has_atoms) {
        return Ok(());
    }
    let numbers = &contents.numbers;
    match choice {
        ModelChoice::Number(number) if !numbers.contains(number) => {
            let found = match numbers.as_slice() {
                [] => "a file without atoms".to_owned(),
                [one] => format!("only model {one}"),
                [first, .., last] => format!("{} models, {first} to {last}", numbers.len()),
            };
            Err(Error::invalid(format!("model {number}"), found, "the number of one of the models"))
        }
        _ => Err(Error::invalid("atoms", "none", "at least one")),
    }
}

/// Some programs write no `label_seq_id` for any atom, or one for waters too. Then it says nothing
/// about polymers.
fn forget_useless_polymers(frame: &mut Frame) {
    let residues = || frame.segments.iter().flat_map(|segment| &segment.residues);
    let in_polymer = |residue: &&Group| residue.polymer == Some(true);
    if residues().any(|residue| in_polymer(&residue))
        && !residues().filter(in_polymer).any(|residue| is_water(&residue.name))
    {
        return;
    }
    for residue in frame.segments.iter_mut().flat_map(|segment| &mut segment.residues) {
        residue.polymer = None;
    }
}
