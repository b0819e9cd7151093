//! Damaged files: mutations of sound ones, and how many of them a test reads.

use std::time::{Duration, Instant};

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::pt;

/// A sound file that mutations start from.
pub(crate) struct Seed {
    /// The kind of the file: every kind gets the same number of mutations.
    pub(crate) kind: &'static str,
    pub(crate) file: Vec<u8>,
    /// The members of a zip file. Their mutations can have another length.
    pub(crate) members: Option<Vec<(String, Vec<u8>)>>,
}

impl Seed {
    pub(crate) fn new(kind: &'static str, file: Vec<u8>) -> Self {
        Seed { kind, file, members: None }
    }

    /// A `.pt` file.
    pub(crate) fn pickled(kind: &'static str, value: &pt::Py) -> Self {
        let members = pt::Pickle::of(value).members();
        Seed { kind, file: pt::zip(&members), members: Some(members) }
    }
}

/// A reading may take this long.
const SLOWEST: f64 = 10.0;

/// Reads mutated files of every kind with `read`, which returns whether a file is sound.
///
/// `FLASHSCHNET_FUZZ_FILES` sets the number of files of each kind. Without it,
/// `FLASHSCHNET_FUZZ_SECONDS` sets the duration of the whole test; the default is 6 s.
pub(crate) fn campaign(seeds: &[Seed], mut read: impl FnMut(&Seed, &[u8]) -> bool) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let n_files = number("FLASHSCHNET_FUZZ_FILES");
    let seconds = number("FLASHSCHNET_FUZZ_SECONDS").unwrap_or(6);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut kinds: Vec<&str> = Vec::new();
    for seed in seeds {
        if !kinds.contains(&seed.kind) {
            kinds.push(seed.kind);
        }
    }
    let (mut n_sound, mut slowest) = (vec![0_u64; kinds.len()], vec![0.0_f64; kinds.len()]);
    let mut case = 0;
    while n_files.map_or_else(|| Instant::now() < end, |n| case < n) {
        for (k, kind) in kinds.iter().enumerate() {
            let mut bytes = [k as u8; 32];
            bytes[..8].copy_from_slice(&case.to_le_bytes());
            let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let of_kind: Vec<&Seed> = seeds.iter().filter(|seed| seed.kind == *kind).collect();
            let seed = of_kind[rng.random_range(0..of_kind.len())];
            let file = mutated(seed, seeds, &mut rng);
            // `cargo test` shows this only if the test fails.
            println!("{kind}, case {case}: {} bytes", file.len());
            let start = Instant::now();
            n_sound[k] += u64::from(read(seed, &file));
            let seconds = start.elapsed().as_secs_f64();
            assert!(seconds < SLOWEST, "{kind}, case {case}: {seconds} s");
            slowest[k] = slowest[k].max(seconds);
        }
        case += 1;
    }
    for (k, kind) in kinds.iter().enumerate() {
        let (sound, slowest) = (n_sound[k], slowest[k]);
        eprintln!("{kind}: {case} mutated files, {sound} still sound, slowest {slowest:.3} s");
    }
}

fn mutated(seed: &Seed, seeds: &[Seed], rng: &mut TestRng) -> Vec<u8> {
    let mut file = match &seed.members {
        Some(members) if rng.random() => {
            let mut members = members.clone();
            // Mostly the pickle, which is the first member.
            let n = members.len();
            let m = if rng.random_range(0..4) > 0 { 0 } else { rng.random_range(0..n) };
            mutate(&mut members[m].1, seeds, rng);
            return pt::zip(&members);
        }
        _ => seed.file.clone(),
    };
    mutate(&mut file, seeds, rng);
    file
}

fn mutate(file: &mut Vec<u8>, seeds: &[Seed], rng: &mut TestRng) {
    // Headers and pickles matter more than numbers, so most changes fall there.
    let hot = file.windows(8).position(|bytes| bytes == b"data.pkl").unwrap_or(0);
    for _ in 0..rng.random_range(1..5) {
        if file.len() < 2 {
            break;
        }
        let place = |rng: &mut TestRng, file: &[u8]| match rng.random_range(0..4) {
            0 => rng.random_range(0..file.len()),
            1 => file.len() - 1 - rng.random_range(0..file.len().min(400)),
            2 => rng.random_range(0..file.len().min(400)),
            _ => (hot + rng.random_range(0..file.len().min(4000))).min(file.len() - 1),
        };
        let at = place(rng, file);
        let mut short = |most: usize| rng.random_range(1..most).min(file.len() - at);
        let (few, some) = (short(9), short(200));
        match rng.random_range(0..14) {
            0 => file.truncate(at),
            1 => file[at] ^= 1 << rng.random_range(0..8),
            2 => file[at] = rng.random(),
            3 => file[at..at + few].fill(if rng.random() { 0xff } else { 0 }),
            4 => drop(file.drain(at..at + some)),
            // A block twice.
            5 => {
                let block = file[at..at + some].to_vec();
                file.splice(at..at, block);
            }
            // Two blocks exchanged.
            6 => {
                let to = place(rng, file);
                let n = some.min(at.abs_diff(to)).min(file.len() - to);
                for k in 0..n {
                    file.swap(at + k, to + k);
                }
            }
            // A block of another place.
            7 => {
                let from = place(rng, file);
                let n = some.min(file.len() - from);
                file.copy_within(from..from + n, at);
            }
            // A block of another file.
            8 => {
                let other = &seeds[rng.random_range(0..seeds.len())].file;
                let from = rng.random_range(0..other.len());
                let block = &other[from..(from + some).min(other.len())];
                file.splice(at..at, block.iter().copied());
            }
            // The start of this file and the end of another.
            9 => {
                let other = &seeds[rng.random_range(0..seeds.len())].file;
                let from = rng.random_range(0..other.len());
                file.truncate(at);
                file.extend(&other[from..]);
            }
            10 | 11 => decimal(file, at, rng),
            12 => binary(file, at, rng),
            // An opcode of a pickle, or punctuation of JSON and NumPy.
            _ => {
                let codes = b"().012NRQb]}tsuaeqrhjcX\x81\x85\x86\x87\x94{[,:'\"<f-";
                file[at] = codes[rng.random_range(0..codes.len())];
            }
        }
    }
}

/// Replaces the next decimal number.
fn decimal(file: &mut Vec<u8>, at: usize, rng: &mut TestRng) {
    let Some(start) = file[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) else {
        return;
    };
    let n = file[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let numbers = [
        "0",
        "1",
        "2",
        "3",
        "-1",
        "255",
        "65536",
        "4294967295",
        "4294967296",
        "1099511627776",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "1e308",
        "1e-308",
    ];
    let number = numbers[rng.random_range(0..numbers.len())];
    file.splice(start..start + n, number.bytes());
    // The length of a safetensors header is its first number. Without this change, the header would
    // be damaged and its new number not read.
    let length = file.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if file.get(8) == Some(&b'{') && start >= 8 && (start as u64) < length.saturating_add(8) {
        let length = length.wrapping_add(number.len() as u64).wrapping_sub(n as u64);
        file[..8].copy_from_slice(&length.to_le_bytes());
    }
}

/// Writes a binary number.
fn binary(file: &mut [u8], at: usize, rng: &mut TestRng) {
    let numbers = [0, 1, 9, 10, 0x7f, 1 << 16, 1 << 24, i32::MAX as u64, u32::MAX.into(), 1 << 40];
    let number: u64 = numbers[rng.random_range(0..numbers.len())];
    let (wide, narrow) = (number.to_le_bytes(), (number as u32).to_be_bytes());
    let float = [f32::NAN, f32::INFINITY, -1e30, 1e-40][rng.random_range(0..4)].to_le_bytes();
    let bytes: &[u8] = match rng.random_range(0..4) {
        0 => &wide,
        1 => &wide[..4],
        2 => &narrow,
        _ => &float,
    };
    // Fields mostly start at multiples of 4.
    let at = if rng.random() { at / 4 * 4 } else { at };
    let n = bytes.len().min(file.len() - at);
    file[at..at + n].copy_from_slice(&bytes[..n]);
}
