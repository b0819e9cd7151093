//! Legacy PDB files, by their fixed columns.

use std::borrow::Cow;

use super::atoms::{Builder, Row};
use crate::error::{Error, Result};

/// Reads the records ATOM, HETATM, TER, MODEL, ENDMDL, END and SEQRES. Serial numbers may be
/// absent, hexadecimal or asterisks. Elements and charges are not read.
pub(super) fn read(text: &[u8], builder: &mut Builder) -> Result<()> {
    let (mut ended, mut in_chain) = (false, false);
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        // Some programs indent all lines.
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        let record = record(line);
        match record {
            b"ATOM" | b"HETATM" => {
                atom(line, record == b"HETATM", number + 1, builder)?;
                (ended, in_chain) = (false, true);
            }
            b"TER" => {
                builder.end_chain();
                in_chain = false;
            }
            b"MODEL" => {
                builder.end_model();
                builder.start_model(&field(line, 6, 80));
            }
            b"ENDMDL" | b"END" => {
                builder.end_model();
                ended = true;
            }
            b"CONECT" | b"MASTER" => ended = true,
            b"SEQRES" => {
                let chain = field(line, 11, 12);
                for name in field(line, 19, 70).split_whitespace() {
                    builder.sequence(&chain, name);
                }
            }
            _ => {}
        }
    }
    let sign = "the file has no END record; if it is cut off, residues are missing";
    match (ended, in_chain) {
        (true, _) => {}
        (false, true) => builder.cut(sign),
        (false, false) => builder.note(sign),
    }
    Ok(())
}

/// Whether a line is an ATOM or HETATM record.
pub(super) fn is_atom(line: &[u8]) -> bool {
    matches!(record(line), b"ATOM" | b"HETATM")
}

/// The name of a record. The serial numbers of large files can touch it.
fn record(line: &[u8]) -> &[u8] {
    if line.starts_with(b"HETATM") {
        return b"HETATM";
    }
    let end = line.iter().take(6).position(|byte| !byte.is_ascii_uppercase());
    &line[..end.unwrap_or(line.len().min(6))]
}

/// The text of the columns from `start` to before `end`, counted from 0, without the blanks around
/// it. Columns behind the end of the line are empty.
fn field(line: &[u8], start: usize, end: usize) -> Cow<'_, str> {
    let end = end.min(line.len());
    String::from_utf8_lossy(line.get(start..end).unwrap_or_default().trim_ascii())
}

/// The digits of the serial number beyond the five that its columns hold. Some programs write them
/// and push all other columns to the right.
fn shift(line: &[u8]) -> usize {
    let has_points =
        |shift: usize| [34, 42, 50].iter().all(|at| line.get(at + shift) == Some(&b'.'));
    let n_digits = line.iter().skip(6).take_while(|byte| byte.is_ascii_digit()).count();
    match n_digits.checked_sub(5) {
        Some(shift @ 1..=3) if has_points(shift) && !has_points(0) => shift,
        _ => 0,
    }
}

/// The coordinate that ends before a column is longer than its eight columns, and all numbers
/// behind it are displaced.
fn is_too_long(line: &[u8], end: usize) -> bool {
    let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
    is_digit(end - 1) && is_digit(end) && line[end - 4] != b'.'
}

fn atom(line: &[u8], het: bool, number: usize, builder: &mut Builder) -> Result<()> {
    let shift = shift(line);
    let serial = field(line, 6, 11 + shift);
    let line = &line[shift..];
    let coordinate = |axis: usize| {
        let text = field(line, 30 + 8 * axis, 38 + 8 * axis);
        let is_right = |x: &f64| x.is_finite() && !is_too_long(line, 38 + 8 * axis);
        text.parse::<f64>().ok().filter(is_right).ok_or_else(|| {
            let found = match line.len() {
                ..54 => "a line that ends before its coordinates do".to_owned(),
                _ if is_too_long(line, 38 + 8 * axis) => {
                    format!("{text:?} and more digits behind these eight columns")
                }
                _ => format!("{text:?}"),
            };
            let expected = "a number in columns 31-38, 39-46 and 47-54; is the file complete?";
            Error::invalid(format!("line {number}, {}", ["x", "y", "z"][axis]), found, expected)
        })
    };
    let position = [coordinate(0)?, coordinate(1)?, coordinate(2)?];
    let letter = field(line, 21, 22);
    builder.add(&Row {
        het,
        name: &field(line, 12, 16),
        altloc: &field(line, 16, 17),
        // Some programs write a fourth character of the name before the chain.
        residue: &field(line, 17, 21),
        letter: &letter,
        label: &letter,
        sequence: &letter,
        number: &field(line, 22, 26),
        icode: &field(line, 26, 27),
        polymer: None,
        position,
        occupancy: field(line, 54, 60).parse().unwrap_or(1.0),
        line: number,
        serial: &serial,
    });
    Ok(())
}
