//! Sequences in one-letter codes, as text and in FASTA files.

use std::path::Path;

use super::log::refuse;
use super::names::AminoAcid;
use super::read;
use crate::error::{Error, OfFile, Result};

/// The chains of a sequence in one-letter codes, for example `GYDPETGTWG`. A colon separates
/// chains.
///
/// # Errors
/// `unknown_residue` for letters that are not among the 20; [`Error::Invalid`] for an empty chain.
pub fn parse_sequence(text: &str) -> Result<Vec<Vec<AminoAcid>>> {
    let (mut chains, mut unknown) = (Vec::new(), Vec::new());
    for (c, chain) in text.split(':').enumerate() {
        let letters = chain.chars().filter(|letter| !letter.is_whitespace());
        let mut aminos = Vec::new();
        for (k, letter) in letters.enumerate() {
            match AminoAcid::from_letter(letter.to_ascii_uppercase()) {
                Some(amino) => aminos.push(amino),
                None => unknown.push(format!("letter {} of chain {}: {letter:?}", k + 1, c + 1)),
            }
        }
        if aminos.is_empty() && unknown.is_empty() {
            let field = format!("chain {} of the sequence", c + 1);
            return Err(Error::invalid(field, "no letters", "at least one, as in GYDPETGTWG"));
        }
        chains.push(aminos);
    }
    if !unknown.is_empty() {
        let what = "letters of the sequence are not among the 20 amino acids";
        return Err(refuse(
            "unknown_residue",
            what,
            unknown,
            &["give one of ACDEFGHIKLMNPQRSTVWY"],
        ));
    }
    Ok(chains)
}

/// The chains of a FASTA file: one for each record, and for each part of a record between colons.
///
/// # Errors
/// Those of [`parse_sequence`], with the name of the file; [`Error::Io`].
pub fn read_fasta(path: &Path) -> Result<Vec<Vec<AminoAcid>>> {
    let bytes = read::bytes(path, "sequences in one-letter codes (FASTA)")?;
    parse_fasta(&String::from_utf8_lossy(&bytes)).of_file(path)
}

fn parse_fasta(text: &str) -> Result<Vec<Vec<AminoAcid>>> {
    let mut records: Vec<String> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        match line.chars().next() {
            None | Some(';') => {}
            Some('>') => records.push(String::new()),
            Some(_) => {
                if records.is_empty() {
                    records.push(String::new());
                }
                if let Some(record) = records.last_mut() {
                    record.push_str(line);
                }
            }
        }
    }
    // An asterisk is the end of a translated gene.
    let records: Vec<&str> = records.iter().map(|record| record.trim_end_matches('*')).collect();
    match records.as_slice() {
        [] => Err(Error::invalid("sequences", "none", "at least one record")),
        records => parse_sequence(&records.join(":")),
    }
}

/// The sequences as text, with a colon between chains.
pub fn sequence_text(sequences: &[Vec<AminoAcid>]) -> String {
    let letters = |chain: &Vec<AminoAcid>| chain.iter().map(|amino| amino.letter()).collect();
    sequences.iter().map(letters).collect::<Vec<String>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_records_and_parts_between_colons() {
        let read = |text: &str| sequence_text(&parse_fasta(text).unwrap());
        assert_eq!(
            read(">sp|P1 first\r\nGYDP\r\nETGT WG*\r\n\r\n>second\nac:de\n"),
            "GYDPETGTWG:AC:DE"
        );
        assert_eq!(read("; a remark\nACD\nEF"), "ACDEF");
        assert!(parse_fasta("\n").is_err());
        for (text, expected) in [
            ("AXC:BD", "  letter 2 of chain 1: 'X'\n  letter 1 of chain 2: 'B'"),
            ("AC::D", "chain 2 of the sequence: found no letters"),
            ("A-C", "'-'"),
        ] {
            let error = parse_sequence(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
