//! Beads and index lists of structure files: `flashschnet prepare` and the module `prepare`.

mod reading;
mod residues;
mod topology;

use std::path::PathBuf;

use flashschnet::Error;
use flashschnet::diagnose::verify::{self, Status};
use flashschnet::prepare::{AminoAcid, Coarse, Mapping, Options};

use crate::common::peptide::Line;

/// Every case of the reference data. Prints a message if the variable is not set.
#[test]
fn agrees_with_the_reference_data() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        return eprintln!("FLASHSCHNET_REFERENCE is not set: the published lists are NOT tested");
    };
    let folder = PathBuf::from(folder).join("topology");
    let files = verify::all_cases_at(&folder).unwrap();
    assert!(files.iter().all(|file| verify::is_about_structures(file)));
    let reports: Vec<_> =
        files.iter().flat_map(|file| verify::verify_structures(file, None)).collect();
    reports.iter().for_each(|report| println!("{report}"));
    assert!(reports.len() >= 32);
    assert!(reports.iter().all(|r| r.status == Status::Pass && r.note.is_none()));

    // A case without its prior file says so, and is otherwise compared.
    let elsewhere = verify::verify_structures(&folder.join("agp_five_bead.json"), Some(&folder));
    assert_eq!(elsewhere[0].status, Status::Pass);
    assert!(elsewhere[0].note.as_ref().unwrap().contains("sparse_prior_cln_5b.pt"));
}

fn aminos(sequence: &str) -> Vec<AminoAcid> {
    sequence.chars().map(|letter| AminoAcid::from_letter(letter).unwrap()).collect()
}

fn read(text: &str) -> Result<Coarse, Error> {
    Coarse::parse(text.as_bytes(), &Options::default(), Mapping::FiveBead)
}

fn read_with(text: &str, options: Options) -> Result<Coarse, Error> {
    Coarse::parse(text.as_bytes(), &options, Mapping::FiveBead)
}

/// The kind of the problem.
fn kind(found: Result<Coarse, Error>) -> &'static str {
    match found {
        Err(Error::Structure { kind, .. }) => kind,
        Err(error) => panic!("{error}"),
        Ok(_) => "none",
    }
}

fn warnings(coarse: &Coarse) -> Vec<&'static str> {
    coarse.log.warnings.iter().map(|warning| warning.kind).collect()
}

fn water(k: usize) -> Line {
    Line {
        het: true,
        name: "O".into(),
        altloc: ' ',
        residue: "HOH".into(),
        chain: 'W',
        number: (k % 10_000) as i64,
        icode: ' ',
        x: [
            100.0 + (k % 100) as f64 * 3.0,
            (k / 100 % 100) as f64 * 3.0,
            (k / 10_000) as f64 * 3.0,
        ],
        occupancy: 1.0,
    }
}
