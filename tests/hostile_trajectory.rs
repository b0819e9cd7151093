//! Damaged trajectories give a clean error or sound frames, never a panic. Reading them takes
//! memory in proportion to the size of the file at most.
//!
//! `FLASHSCHNET_FUZZ_SECONDS` sets how many seconds the test runs; the default is 20.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flashschnet::io::{NpyWriter, Trajectory, XtcWriter};
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::counting;
use crate::dcd::{Dcd, frames};

/// Reading takes at most this much memory per byte of the file, plus `BYTES_BASE`. An XTC frame may
/// hold 8 beads per byte, and a decoded bead takes 36 bytes; the limit of 60 has a margin.
const BYTES_PER_BYTE: usize = 8 * 60;
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

/// Trajectory files with a name and a number of beads. All are sound, but the reader does not
/// support the one with 64-bit record markers.
fn seeds(folder: &std::path::Path) -> Vec<(&'static str, usize, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, dcd) in [
        ("dcd", Dcd { cell: true, ..Dcd::default() }),
        ("dcd, big", Dcd { big_endian: true, fourth: true, ..Dcd::default() }),
        ("dcd, fixed", Dcd { free: vec![2, 3, 9], ..Dcd::default() }),
        ("dcd, wide", Dcd { marker: 8, ..Dcd::default() }),
    ] {
        seeds.push((name, 11, dcd.bytes(&frames(4, 11, &dcd.free))));
    }
    for (name, n_beads) in [("xtc", 40), ("xtc, small", 5)] {
        let path = folder.join(name);
        let mut writer = XtcWriter::create(&path).unwrap();
        for frame in frames(4, n_beads, &[]) {
            let frame: Vec<[f64; 3]> = frame.iter().map(|x| x.map(f64::from)).collect();
            writer.write(1, 0.5, &frame).unwrap();
        }
        seeds.push((name, n_beads, std::fs::read(path).unwrap()));
    }
    let mut writer = NpyWriter::new(&folder.join("run"), 2, 3).unwrap();
    for _ in 0..2 {
        writer.write(&[[0.5; 3]; 6], &[0.0; 2], &[0.0; 2]).unwrap();
    }
    writer.finish().unwrap();
    let npy = std::fs::read(folder.join("run_coords_0000.npy")).unwrap();
    let old = b"'fortran_order': False";
    let at = npy.windows(old.len()).position(|bytes| bytes == old).unwrap();
    let mut fortran = npy.clone();
    fortran[at..at + old.len()].copy_from_slice(b"'fortran_order': True ");
    seeds.push(("npy", 3, npy));
    seeds.push(("npy, Fortran", 3, fortran));
    seeds
}

fn mutate(seed: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut file = seed.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if file.len() < 2 {
            break;
        }
        // Headers matter more than coordinates, so more than half of the changes fall there.
        let most = if rng.random() { file.len() } else { file.len().min(340) };
        let at = rng.random_range(0..most);
        let n = rng.random_range(1..9).min(file.len() - at);
        match rng.random_range(0..7) {
            0 => file.truncate(at),
            1 => file[at] ^= 1 << rng.random_range(0..8),
            2 => file[at] = rng.random(),
            3 => file[at..at + n].fill(if rng.random() { 0xff } else { 0 }),
            4 => drop(file.drain(at..at + n)),
            5 => {
                let piece = file[at..at + n].to_vec();
                file.splice(at..at, piece);
            }
            _ => file[at] = *b"({[0129,')]}<f".get(rng.random_range(0..14)).unwrap_or(&b'9'),
        }
    }
    file
}

#[test]
fn mutated_trajectories_give_an_error_or_sound_frames() {
    let seconds = std::env::var("FLASHSCHNET_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(20.0, |text| text.parse().expect("FLASHSCHNET_FUZZ_SECONDS"));
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("mutated");
    let seeds = seeds(folder.path());
    for (name, n_beads, file) in &seeds {
        let found = read(&path, file, *n_beads);
        assert_eq!(found.is_err(), *name == "dcd, wide", "{name}: {found:?}");
        assert!(found.is_err() || found == Ok(2), "{name}: {found:?}");
    }
    let (mut n, mut n_taken) = (0_u64, 0_u64);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let (name, n_beads, file) = &seeds[rng.random_range(0..seeds.len())];
        // `cargo test` shows this only if the test fails.
        println!("case {n}: {name}");
        n_taken += u64::from(read(&path, &mutate(file, &mut rng), *n_beads).is_ok());
        n += 1;
    }
    eprintln!("{n} mutated files from case 0 on, {n_taken} of them still sound");
}
