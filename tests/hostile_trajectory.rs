//! Damaged trajectories give a clean error or sound frames, never a panic. Reading them takes
//! memory in proportion to the size of the file at most.

use std::path::PathBuf;

use flashschnet::io::{FrameFormat, NpyQuantity, NpyWriter, Trajectory, TrajectoryWriter};

use crate::counting;
use crate::dcd::{Dcd, frames};
use crate::mutate::{Seed, campaign};

/// Reading takes at most this much memory per byte of the file, plus `BYTES_BASE`.
const BYTES_PER_BYTE: usize = 10;
const BYTES_BASE: usize = 1 << 20;

/// Reads the whole file and skips every second frame. Returns the number of frames that were read.
fn read(path: &std::path::Path, bytes: &[u8], n_beads: usize) -> Result<usize, String> {
    std::fs::write(path, bytes).unwrap();
    let account = counting::Account::open();
    let mut n = 0;
    let mut result = Trajectory::open(path, n_beads).map_err(|error| error.to_string());
    if let Ok(trajectory) = &mut result {
        let error = loop {
            match trajectory.read() {
                Ok(Some(frame)) => {
                    assert!(
                        frame.len() == n_beads && frame.iter().flatten().all(|x| x.is_finite())
                    );
                    n += 1;
                }
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            match trajectory.skip() {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        if let Some(error) = error {
            result = Err(error);
        }
    }
    let peak = account.peak();
    let limit = BYTES_PER_BYTE * bytes.len() + BYTES_BASE;
    assert!(peak <= limit, "{} bytes of file took {peak} bytes of memory", bytes.len());
    match result {
        Ok(_) => Ok(n),
        Err(error) => {
            assert!(error.starts_with(path.to_str().unwrap()) && error.len() < 4000, "{error}");
            Err(error)
        }
    }
}

/// Trajectory files, each with its number of beads. All are sound, but the reader does not
/// support the one with 64-bit record markers.
fn seeds(folder: &std::path::Path) -> Vec<(usize, Seed)> {
    let mut seeds = Vec::new();
    for (name, dcd) in [
        ("dcd", Dcd { cell: true, ..Dcd::default() }),
        ("dcd, big", Dcd { big_endian: true, fourth: true, ..Dcd::default() }),
        ("dcd, fixed", Dcd { free: vec![2, 3, 9], ..Dcd::default() }),
        ("dcd, wide", Dcd { marker: 8, ..Dcd::default() }),
    ] {
        seeds.push((11, Seed::new(name, dcd.bytes(&frames(4, 11, &dcd.free)))));
    }
    for (name, n_beads) in [("xtc", 40), ("xtc, small", 5)] {
        let path = folder.join(name);
        let mut writer = TrajectoryWriter::create(&path, FrameFormat::Xtc).unwrap();
        for frame in frames(4, n_beads, &[]) {
            let frame: Vec<[f64; 3]> = frame.iter().map(|x| x.map(f64::from)).collect();
            writer.write(1, 0.5, &frame).unwrap();
        }
        seeds.push((n_beads, Seed::new(name, std::fs::read(path).unwrap())));
    }
    let mut writer =
        NpyWriter::new(&folder.join("run"), 2, vec![NpyQuantity::new("coords", &[3, 3])]).unwrap();
    for _ in 0..2 {
        writer.write(&[&[0.5; 18]]).unwrap();
    }
    writer.finish().unwrap();
    let npy = std::fs::read(folder.join("run_coords_0000.npy")).unwrap();
    let old = b"'fortran_order': False";
    let at = npy.windows(old.len()).position(|bytes| bytes == old).unwrap();
    let mut fortran = npy.clone();
    fortran[at..at + old.len()].copy_from_slice(b"'fortran_order': True ");
    seeds.push((3, Seed::new("npy", npy)));
    seeds.push((3, Seed::new("npy, Fortran", fortran)));
    seeds
}

#[test]
fn mutated_trajectories_give_an_error_or_sound_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("mutated");
    let seeds = seeds(folder.path());
    for (n_beads, Seed { kind, file, .. }) in &seeds {
        let found = read(&path, file, *n_beads);
        assert_eq!(found.is_err(), *kind == "dcd, wide", "{kind}: {found:?}");
        assert!(found.is_err() || found == Ok(2), "{kind}: {found:?}");
    }
    let (counts, seeds): (Vec<usize>, Vec<Seed>) = seeds.into_iter().unzip();
    let n_beads = |seed: &Seed| {
        let same = |other: &Seed| std::ptr::eq(other, seed);
        counts[seeds.iter().position(same).unwrap()]
    };
    campaign(&seeds, |seed, file| read(&path, file, n_beads(seed)).is_ok());
}
