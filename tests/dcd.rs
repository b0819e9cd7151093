//! DCD trajectories of every flavor, truncated and damaged ones included.

use std::path::PathBuf;

use flashschnet::io::{DcdReader, Trajectory};

use crate::common::dcd::{Dcd, frames};

struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(bytes: &[u8]) -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.dcd");
    std::fs::write(&path, bytes).unwrap();
    Scratch { _folder: folder, path }
}

fn read(bytes: &[u8]) -> flashschnet::Result<Vec<Vec<[f32; 3]>>> {
    let scratch = file(bytes);
    let mut reader = DcdReader::open(&scratch.path)?;
    let mut all = Vec::new();
    while let Some(frame) = reader.read()? {
        all.push(frame.to_vec());
    }
    Ok(all)
}

fn refused(what: &str, bytes: &[u8], expected: &str) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains("x.dcd: ") && error.contains(expected), "{what}: {error}");
}

/// The flavors of CHARMM, NAMD and OpenMM with and without a cell, and that of X-PLOR; each in both
/// byte orders, with and without fixed beads.
fn flavours() -> Vec<Dcd> {
    let mut flavours = Vec::new();
    for big_endian in [false, true] {
        for (version, cell, fourth, titles) in
            [(24, false, false, 2), (24, true, false, 1), (35, true, true, 0), (0, false, false, 3)]
        {
            for free in [vec![], vec![2, 3, 5]] {
                let base = Dcd::default();
                flavours.push(Dcd { big_endian, version, cell, fourth, titles, free, ..base });
            }
        }
    }
    flavours
}

#[test]
fn every_flavour_reads_back() {
    for dcd in flavours() {
        let expected = frames(4, 5, &dcd.free);
        assert_eq!(read(&dcd.bytes(&expected)).unwrap(), expected);
        let scratch = file(&dcd.bytes(&expected));
        for skipped in [0, 1, 2, 3] {
            let mut reader = DcdReader::open(&scratch.path).unwrap();
            for _ in 0..skipped {
                assert!(reader.skip().unwrap());
            }
            assert_eq!(reader.read().unwrap().unwrap(), expected[skipped]);
        }
        let mut reader = DcdReader::open(&scratch.path).unwrap();
        assert_eq!((0..9).filter(|_| reader.skip().unwrap()).count(), 4);
    }
}

/// A writer stores the number of frames when it ends, or before it begins, or never. So the reader
/// must not rely on it.
#[test]
fn the_headers_count_is_not_believed() {
    let expected = frames(3, 4, &[]);
    for announced in [0, 1, 7, u32::MAX] {
        let dcd = Dcd { announced: Some(announced), ..Dcd::default() };
        assert_eq!(read(&dcd.bytes(&expected)).unwrap(), expected);
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let some = frames(2, 5, &[]);
    let with = |change: fn(&mut Dcd)| {
        let mut dcd = Dcd::default();
        change(&mut dcd);
        dcd.bytes(&some)
    };
    refused("wide", &with(|dcd| dcd.marker = 8), "64-bit record markers is not supported");
    let wide_and_big = with(|dcd| (dcd.marker, dcd.big_endian) = (8, true));
    refused("wide, big", &wide_and_big, "64-bit record markers");
    refused("velocities", &with(|dcd| dcd.kind = *b"VELD"), "velocities is not supported");
    refused("other", &with(|dcd| dcd.kind = *b"ABCD"), "kind: found \"ABCD\", expected CORD");
    refused("text", b"hello, world", "expected a DCD trajectory");
    refused("empty", b"", "the header: found the end of the file");
    refused("no beads", &Dcd::default().bytes(&[]), "beads: found 0");
    let mut many = Dcd::default().bytes(&some);
    let at = many.len() - 2 * 3 * (20 + 8) - 8;
    assert_eq!(many[at..at + 4], 5_u32.to_le_bytes());
    many[at..at + 4].copy_from_slice(&200_000_000_u32.to_le_bytes());
    refused("beads beyond the end", &many, "frame 0, record marker: found 20, expected 800000000");
    let fixed = Dcd { free: vec![3, 2], ..Dcd::default() };
    refused("unsorted", &fixed.bytes(&some), "free beads: found 2, expected ascending numbers");
}

/// A file truncated at any byte is an error, unless it ends with a whole frame.
#[test]
fn a_truncated_file_is_named() {
    for dcd in [Dcd::default(), Dcd { cell: true, free: vec![1, 4], ..Dcd::default() }] {
        let expected = frames(3, 5, &dcd.free);
        let bytes = dcd.bytes(&expected);
        let whole = |n: usize| dcd.bytes(&expected[..n]).len();
        // The first frame is the largest, because only it holds the fixed beads.
        let records = 3 * (8 + 4 * 5) + if dcd.cell { 8 + 48 } else { 0 };
        let header = whole(1) - records;
        for length in 0..bytes.len() {
            match read(&bytes[..length]) {
                Ok(found) => {
                    assert_eq!(found, expected[..found.len()]);
                    assert!(length == if found.is_empty() { header } else { whole(found.len()) });
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("the file is truncated"), "{length}: {error}");
                }
            }
        }
    }
}

#[test]
fn frames_of_another_molecule_or_without_numbers_are_named() {
    let mut some = frames(3, 5, &[]);
    let scratch = file(&Dcd::default().bytes(&some));
    let error = Trajectory::open(&scratch.path, 7).unwrap_err().to_string();
    assert!(error.contains("found 5 beads, expected 7, those of the molecule"), "{error}");
    some[1][3][2] = f32::NAN;
    let scratch = file(&Dcd::default().bytes(&some));
    let mut trajectory = Trajectory::open(&scratch.path, 5).unwrap();
    assert!(trajectory.read().unwrap().is_some());
    let error = trajectory.read().unwrap_err().to_string();
    assert!(error.contains("frame 1, bead 3: found ["), "{error}");
}
