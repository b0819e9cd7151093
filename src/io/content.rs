//! Names for the content of files, for the messages about a file of the wrong kind.

use super::force_field::is_force_field;
use crate::error::{Error, Result};

/// The content is recognized from this many bytes at the start of a file.
pub(crate) const ENOUGH: usize = 4096;

/// A name, and the action that the user can take; the action may be empty.
type Name = (&'static str, &'static str);

const UNPACK: &str = "unpack it first";
const SAVE_MODULE: &str = "save the Python module itself with torch.save";
const OTHER_FORMATS: &str = "structures are read from .pt files with a list of AtomicData (mlcg), \
                             and trajectories from XTC, DCD and .npy files";
const PREPARE: &str = "prepare structures of it";
const MODEL: Name = ("a native model file", "");
const STRUCTURES: Name = ("a file of native structures", "");

/// The error for a file of the wrong kind: it names the content that the file has instead.
pub(crate) fn wrong_content(start: &[u8], expected: &str) -> Error {
    let (name, advice) = match recognize(start) {
        Some((name, advice)) => (name.to_owned(), advice),
        None => (unknown(start), ""),
    };
    let separator = if advice.is_empty() { "" } else { "; " };
    Error::invalid("content", name, format!("{expected}{separator}{advice}"))
}

/// Whether a file starts as a safetensors file: with the length of the header in 8 bytes, then the
/// header in JSON.
pub(crate) fn is_safetensors(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{') && start[4..8] == [0; 4]
}

/// The largest product of the sizes other than 0 of a tensor without elements.
const MOST_HIDDEN: usize = 1 << 24;

/// Checks the shape of a tensor. The size of the file limits the sizes of its axes, but not if one
/// of them is 0: then the others must be moderate.
pub(crate) fn check_shape(field: &str, shape: &[usize]) -> Result<()> {
    if !shape.contains(&0) {
        return Ok(());
    }
    let sizes = shape.iter().filter(|size| **size > 0);
    match sizes.copied().try_fold(1_usize, usize::checked_mul).filter(|n| *n <= MOST_HIDDEN) {
        Some(_) => Ok(()),
        None => {
            let expected = format!("axes of at most {MOST_HIDDEN} in a tensor without elements");
            Err(Error::invalid(field, format!("shape {shape:?}"), expected))
        }
    }
}

/// The name of a zip file by the names of its members, if `torch.save` did not write it.
pub(crate) fn other_zip<'a>(mut members: impl Iterator<Item = &'a str> + Clone) -> Option<Name> {
    let any = |is: &dyn Fn(&str) -> bool| members.clone().any(is);
    if any(&|name| name.ends_with("/constants.pkl") || name.contains("/code/")) {
        Some(("a TorchScript archive", SAVE_MODULE))
    } else if any(&|name| name.ends_with("/data.pkl")) {
        None
    } else if any(&|name| name.ends_with(".npy")) {
        Some(("a NumPy archive (.npz)", "save a single array of positions with numpy.save"))
    } else if any(&|name| name.ends_with("archive_format") || name.contains(".data/")) {
        Some(("an archive of torch.export or torch.package", SAVE_MODULE))
    } else {
        let empty = members.next().is_none();
        Some((if empty { "an empty zip file" } else { "a zip file of another program" }, UNPACK))
    }
}

fn recognize(start: &[u8]) -> Option<Name> {
    if start.is_empty() {
        return Some(("an empty file", ""));
    }
    if start.iter().all(|byte| *byte == 0) {
        return Some(("a file of zeros", "it may be a copy or a download that did not finish"));
    }
    if start.iter().all(u8::is_ascii_whitespace) {
        return Some(("a file of white space", ""));
    }
    if is_safetensors(start) {
        let header = String::from_utf8_lossy(start);
        return Some(match () {
            () if header.contains("\"flashschnet-model\"") => MODEL,
            () if header.contains("\"flashschnet-structures\"") => STRUCTURES,
            () => ("a safetensors file without an architecture", SAVE_MODULE),
        });
    }
    binary(start).or_else(|| of_text(&text(start)?))
}

/// The names of files that start with fixed bytes.
fn binary(start: &[u8]) -> Option<Name> {
    // The first record of a DCD file has 84 bytes. Its marker has 4 or 8 bytes in either order.
    let dcd: [&[u8]; 4] =
        [b"\x54\0\0\0CORD", b"\0\0\0\x54CORD", b"\x54\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\x54"];
    if dcd.iter().any(|bytes| start.starts_with(bytes)) {
        return Some(("a DCD file, which is a trajectory", ""));
    }
    if start.starts_with(b"PK") {
        // The name of the first member follows a header of 30 bytes.
        let first = start.get(30..).unwrap_or_default();
        let name = String::from_utf8_lossy(&first[..first.len().min(80)]);
        return Some(match name.contains(".npy") {
            true => ("a NumPy archive (.npz)", "save a single array of positions with numpy.save"),
            false => ("a .pt or zip file; a .pt file holds models, structures or priors", ""),
        });
    }
    let table: [(&[u8], Name); 28] = [
        (b"\0\0\x07\xcb", ("an XTC file, which is a trajectory", "")),
        (b"\0\0\x07\xe7", ("an XTC file, which is a trajectory", "")),
        (b"\x93NUMPY", ("a NumPy array (.npy), which is a trajectory if it has positions", "")),
        (b"\0\0\x07\xc9", ("a GROMACS .trr trajectory", OTHER_FORMATS)),
        (b"CDF\x01", ("a NetCDF file", OTHER_FORMATS)),
        (b"CDF\x02", ("a NetCDF file", OTHER_FORMATS)),
        (b"CDF\x05", ("a NetCDF file", OTHER_FORMATS)),
        (b"\x89HDF\r\n\x1a\n", ("an HDF5 file", OTHER_FORMATS)),
        (b"\x1f\x8b", ("a gzip file", UNPACK)),
        (b"\x1f\x9d", ("a compressed file (.Z)", UNPACK)),
        (b"BZh", ("a bzip2 file", UNPACK)),
        (b"\xfd7zXZ\0", ("an xz file", UNPACK)),
        (b"\x28\xb5\x2f\xfd", ("a zstd file", UNPACK)),
        (b"\x04\x22\x4d\x18", ("an lz4 file", UNPACK)),
        (b"7z\xbc\xaf\x27\x1c", ("a 7z archive", UNPACK)),
        (b"Rar!\x1a\x07", ("a RAR archive", UNPACK)),
        (b"GGUF", ("a GGUF model", SAVE_MODULE)),
        (b"%PDF", ("a PDF document", "")),
        (b"\x89PNG", ("a PNG image", "")),
        (b"\xff\xd8\xff", ("a JPEG image", "")),
        (b"GIF8", ("a GIF image", "")),
        (b"\x7fELF", ("a program", "")),
        (b"MZ", ("a Windows program", "")),
        (b"SQLite format 3\0", ("an SQLite database", "")),
        (b"\x80\x02", PICKLE),
        (b"\x80\x03", PICKLE),
        (b"\x80\x04", PICKLE),
        (b"\x80\x05", PICKLE),
    ];
    if let Some((_, name)) = table.into_iter().find(|(bytes, _)| start.starts_with(bytes)) {
        return Some(name);
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", UNPACK));
    }
    if start.get(4..8) == Some(b"TFL3") {
        return Some(("a TensorFlow Lite model", SAVE_MODULE));
    }
    // A model of ONNX starts with its version, then mostly the name of the producer.
    if let [8, 1..=31, 0x12 | 0x1a | 0x22 | 0x2a | 0x32 | 0x3a | 0x42, ..] = start {
        return Some(("an ONNX file or another Protocol Buffers file", SAVE_MODULE));
    }
    None
}

const PICKLE: Name = (
    "a pickle outside a zip file, as pickle.dump and PyTorch before 1.6 write it",
    "load it and save it again with torch.save of a newer PyTorch",
);

/// The start of a text file, without byte order marks, control characters and white space at its
/// start; `None` for other files.
fn text(start: &[u8]) -> Option<String> {
    let start = &start[..start.len().min(ENOUGH)];
    let wide = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    let bytes: Vec<u8> = match wide {
        // UTF-16. The names below have only characters of ASCII.
        true => start[2..].iter().copied().filter(|byte| *byte != 0).collect(),
        false => start.to_vec(),
    };
    let is_shown = |byte: &u8| *byte >= b' ' || b"\t\n\r\x0c".contains(byte);
    let shown: Vec<u8> = bytes.iter().copied().filter(is_shown).collect();
    let text = String::from_utf8_lossy(&shown);
    // A file of random bytes is no text. A text has few control characters, and a text in an older
    // encoding has few bytes that are not UTF-8.
    let broken = text.chars().filter(|c| *c == '\u{fffd}').count();
    let few = |n: usize| n * 10 <= bytes.len();
    let is_text = few(broken) && few(bytes.len() - shown.len()) && !bytes.contains(&0);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned();
    (is_text || is_page(&text.to_ascii_lowercase())).then_some(text)
}

/// Whether a text in lower case is a web page.
fn is_page(lower: &str) -> bool {
    let starts = ["<!doctype html", "<html", "<head", "<body", "<meta", "<script", "<title"];
    starts.iter().any(|word| lower.starts_with(word))
        || (lower.starts_with('<') && lower.contains("<html"))
}

/// The records of a PDB file, without those that only its end has.
const RECORDS: [&str; 34] = [
    "HEADER", "OBSLTE", "TITLE ", "SPLIT ", "CAVEAT", "COMPND", "SOURCE", "KEYWDS", "EXPDTA",
    "NUMMDL", "MDLTYP", "AUTHOR", "REVDAT", "SPRSDE", "JRNL  ", "REMARK", "DBREF ", "SEQADV",
    "SEQRES", "MODRES", "HET   ", "HETNAM", "FORMUL", "HELIX ", "SHEET ", "SSBOND", "LINK  ",
    "CISPEP", "CRYST1", "MODEL ", "ATOM  ", "HETATM", "ANISOU", "TER   ",
];

/// Whether a line is that of an atom in a GROMACS .gro file: residue number in 5 columns, names and
/// number in 15, positions in 8 columns each.
fn is_gro_atom(line: &str) -> bool {
    let position = |k: usize| line.get(20 + 8 * k..28 + 8 * k).map(|x| x.trim().parse::<f64>());
    line.get(..5).is_some_and(|residue| residue.trim().parse::<u32>().is_ok())
        && (0..3).all(|k| matches!(position(k), Some(Ok(_))))
}

fn of_text(text: &str) -> Option<Name> {
    let lower = text.to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    let first_lines: Vec<&str> = text.lines().take(8).collect();
    let is_record = |line: &&str| {
        let is = |record: &str| line.starts_with(record) || line.trim_end() == record.trim_end();
        RECORDS.iter().any(|record| is(record))
    };
    let is_number =
        |line: Option<&&str>| line.is_some_and(|line| line.trim().parse::<u32>().is_ok());
    Some(match () {
        () if lower.starts_with("version https://") && lower.contains("oid sha256:")
            || lower.starts_with("version https://git-lfs")
            || lower.starts_with("version https://hawser") =>
        {
            ("a Git LFS pointer", "fetch the file itself with `git lfs pull`")
        }
        () if lower.contains("annex/objects/") && text.lines().count() <= 2 => {
            ("a git-annex pointer", "fetch the file itself with `git annex get`")
        }
        () if starts(&["# xet version"]) => ("a Xet pointer", "fetch the file itself"),
        // An empty title is cut off with the white space at the start.
        () if (0..2).any(|k| {
            is_number(first_lines.get(k)) && first_lines.get(k + 1).is_some_and(|l| is_gro_atom(l))
        }) =>
        {
            ("a GROMACS .gro file", OTHER_FORMATS)
        }
        () if is_page(&lower) => {
            ("a web page (HTML)", "download the file itself, with its raw or download link")
        }
        () if starts(&["http/"]) => {
            ("an HTTP response with its header", "download the file without the header")
        }
        () if starts(&["{\\rtf"]) => ("an RTF document", ""),
        () if starts(&["<"]) => ("an XML file", "download the file itself"),
        () if starts(&["{", "["]) => match lower.contains("\"tensors\"") {
            true => ("a reference case for verification", ""),
            false => ("a JSON text", "a server may answer with one instead of the file"),
        },
        () if starts(&["data_", "loop_"]) || (starts(&["#"]) && lower.contains("\nloop_")) => {
            ("an mmCIF file", PREPARE)
        }
        () if starts(&["item: timestep"]) => ("a LAMMPS dump", OTHER_FORMATS),
        () if starts(&["@<tripos>"]) => ("a MOL2 file", OTHER_FORMATS),
        () if text.split_whitespace().next() == Some("PSF") => ("a PSF file", OTHER_FORMATS),
        () if is_force_field(text) => {
            ("a force field (YAML) with the priors of a network of TorchMD", "")
        }
        () if starts(&["ccopy_reg", "(dp0", "(lp0", "cmlcg", "ctorch"]) => PICKLE,
        () if !first_lines.is_empty() && first_lines.iter().take(2).all(is_record) => {
            ("a PDB file", PREPARE)
        }
        () if is_number(first_lines.first()) && first_lines.len() > 2 => {
            ("an XYZ file", OTHER_FORMATS)
        }
        () if is_number(first_lines.get(1)) && first_lines.len() > 2 => {
            ("a GROMACS .gro file", OTHER_FORMATS)
        }
        () => return None,
    })
}

/// The description of content without a name: the start of a text.
fn unknown(start: &[u8]) -> String {
    match text(start) {
        Some(text) => {
            let line: String = text.lines().next().unwrap_or_default().chars().take(40).collect();
            format!("a text that starts with {line:?}")
        }
        None => "binary data of an unknown kind".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_their_names() {
        let long_tar = [&b"name"[..], &[0; 253], b"ustar\x0000"].concat();
        let utf16: Vec<u8> =
            "\u{feff}<!DOCTYPE html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let gro = b"    1ALA     CA    1   0.126   1.624   1.679\n";
        let gro = |start: &[u8]| [start, gro].concat();
        let utf16_bare = &utf16[2..];
        let table: [(&[u8], &str); 65] = [
            (b"", "an empty file"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                "Git LFS pointer",
            ),
            (b"../.git/annex/objects/xx/yy/SHA256E-s1--0.pt", "a git-annex pointer"),
            (b"<!DOCTYPE html><html>", "a web page (HTML)"),
            (b"\xef\xbb\xbf \r\n\t<HTML lang=en>", "a web page (HTML)"),
            (b"<!-- saved --><html>", "a web page (HTML)"),
            (b"<?xml version='1.0'?>\n<!DOCTYPE html>\n<html>", "a web page (HTML)"),
            (&utf16, "a web page (HTML)"),
            (b"<?xml version='1.0'?><Error/>", "an XML file"),
            (b"{\"error\": \"not found\"}", "a JSON text"),
            (b"[1, 2]", "a JSON text"),
            (b"{\"file\": \"a\", \"tensors\": {}}", "a reference case"),
            (b"HEADER    PROTEIN", "a PDB file"),
            (b"REMARK\nATOM      1  CA  ALA A   1", "a PDB file"),
            (b"ATOM      1  CA  ALA A   1\nATOM      2  C   ALA A   1", "a PDB file"),
            (b"data_1UBQ\n#\nloop_", "an mmCIF file"),
            (b"# comment\ndata_1UBQ\nloop_", "an mmCIF file"),
            (b"ITEM: TIMESTEP\n0\n", "a LAMMPS dump"),
            (b"@<TRIPOS>MOLECULE", "a MOL2 file"),
            (b"PSF EXT\n", "a PSF file"),
            (b"3\nwater\nO 0 0 0\n", "an XYZ file"),
            (b"water\n    3\n    1SOL", "a GROMACS .gro file"),
            (&gro(b"Psfgen protein in water t= 0.0\n    1\n"), "a GROMACS .gro file"),
            (&gro(b"{\"title\"}\r\n1\r\n"), "a GROMACS .gro file"),
            (&gro(b"\n  1\n"), "a GROMACS .gro file"),
            (b"COMPND    UNNAMED\nAUTHOR    GENERATED BY OPEN BABEL 3.1.1\n", "a PDB file"),
            (b"\xef\xbb\xbfHEADER    PROTEIN\nOBSLTE", "a PDB file"),
            (b"<!DOCTYPE\x00 html><html>\x01\x02\x03\x04", "a web page (HTML)"),
            (b"\xef\xbb\xbf\xef\xbb\xbf\x1f<html>", "a web page (HTML)"),
            (utf16_bare, "a web page (HTML)"),
            (b"<meta charset=utf-8><p>404", "a web page (HTML)"),
            (b"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n<html>", "an HTTP response"),
            (b"HTTP/2 200\r\ncontent-type: text/html\r\n", "an HTTP response"),
            (b"{\\rtf1\\ansi text}", "an RTF document"),
            (b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\r\n", "Git LFS pointer"),
            (b"psf of a text", "a text that starts with"),
            (b"Gr\xfc\xdfe, and a bell\x07 in a longer text", "a text that starts with"),
            (&[0; 100], "a file of zeros"),
            (b"\r\n \t\n", "a file of white space"),
            (b"BZ", "a text that starts with"),
            (b"\x1f\x9d\x90", "a compressed file (.Z)"),
            (b"PK\x05\x06\0\0", "a .pt or zip file"),
            (b"Entry not found", "a text that starts with \"Entry not found\""),
            (b"\0\0\x07\xcb\0\0\0\x0a", "an XTC file, which is a trajectory"),
            (b"\0\0\x07\xc9\0\0\0\x0a", "a GROMACS .trr trajectory"),
            (b"\x54\0\0\0CORD", "a DCD file, which is a trajectory"),
            (b"\0\0\0\x54CORD", "a DCD file, which is a trajectory"),
            (b"\x93NUMPY\x01\0", "a NumPy array (.npy), which is a trajectory"),
            (b"PK\x03\x04..........................pos.npy", "a NumPy archive (.npz)"),
            (b"PK\x03\x04..........................a/data.pkl", "a .pt or zip file"),
            (b"CDF\x02\0", "a NetCDF file"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (b"\x1f\x8b\x08", "a gzip file"),
            (b"BZh91AY", "a bzip2 file"),
            (b"\xfd7zXZ\0", "an xz file"),
            (b"\x28\xb5\x2f\xfd", "a zstd file"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
            (b"Rar!\x1a\x07\x01", "a RAR archive"),
            (&long_tar, "a tar archive"),
            (b"\x08\x07\x12\x07pytorch", "an ONNX file"),
            (b"\x80\x02}q\0.", "PyTorch before 1.6"),
            (b"ccopy_reg\n_reconstructor\n", "PyTorch before 1.6"),
            (b"\x40\0\0\0\0\0\0\0{\"format\":\"flashschnet-model\"}", "a native model file"),
            (b"\x40\0\0\0\0\0\0\0{\"x\":{}}", "a safetensors file without"),
            (b"\x01\x02\x03\xff\xfe", "binary data of an unknown kind"),
        ];
        for (start, name) in table {
            let error = wrong_content(start, "a wish").to_string();
            assert!(error.starts_with("content: found "), "{error}");
            assert!(error.contains(name) && error.contains("expected a wish"), "{name}: {error}");
        }
    }
}
