//! The header that is written to DCD files, in the flavor of CHARMM: little-endian, without a unit
//! cell. It has the number of frames, the step of the first frame, the steps between frames and the
//! time step, so readers know the step and the time of each frame.

use std::ops::Range;

/// The length of the header in bytes.
pub(super) const DCD_HEADER: u64 = 276;

/// CHARMM's unit of time, ps: √(amu Å²/(kcal/mol)).
pub(super) const AKMA: f64 = 0.048_888_21;

/// CHARMM's version whose format this is. X-PLOR writes 0.
const VERSION: u32 = 24;

const TITLE: [&str; 2] = ["* FLASHSCHNET", "* POSITIONS IN ANGSTROM"];

/// The places of the first step and of the steps between frames in the file.
const FIRST: usize = 12;
const EVERY: usize = 16;
/// The place of the numbers of frames and steps.
const COUNTED: Range<usize> = 8..24;

/// The numbers of the header, without the number of frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DcdHeader {
    pub(super) n_beads: usize,
    /// The time step, ps.
    pub(super) dt: f64,
    /// The step of the first frame.
    pub(super) first: u64,
    /// The steps from the first frame to the second, and to each later one.
    pub(super) every: u64,
}

impl DcdHeader {
    /// The header of a file without frames.
    pub(super) fn new(n_beads: usize, dt: f64) -> Self {
        DcdHeader { n_beads, dt, first: 0, every: 1 }
    }

    /// Whether these are the bytes of a header of as many beads with this time step.
    pub(super) fn is_of(&self, header: &[u8; DCD_HEADER as usize]) -> bool {
        let own = self.bytes(0);
        let is_counted = |at: usize| COUNTED.contains(&at);
        (0..own.len()).all(|at| is_counted(at) || own[at] == header[at])
    }

    /// Takes the steps of the first `n_frames` frames from the header of an earlier run.
    pub(super) fn resume(&mut self, n_frames: u64, header: &[u8; DCD_HEADER as usize]) {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|k| header[at + k])).into();
        match n_frames {
            0 => {}
            1 => self.see(0, word(FIRST)),
            _ => (self.first, self.every) = (word(FIRST), word(EVERY)),
        }
    }

    /// Learns the steps of the frames from that of frame `n`. Until there are two frames, the steps
    /// between frames are those before the first one.
    pub(super) fn see(&mut self, n: u64, step: u64) {
        match n {
            0 => (self.first, self.every) = (step, step.max(1)),
            1 => self.every = step.saturating_sub(self.first).max(1),
            _ => {}
        }
    }

    /// The bytes of a frame: a record for each axis.
    pub(super) fn frame_bytes(&self) -> u64 {
        3 * (8 + 4 * self.n_beads as u64)
    }

    /// The bytes of the header of a file of `n_frames` frames.
    pub(super) fn bytes(&self, n_frames: u64) -> Vec<u8> {
        let mut control = [0; 20];
        control[0] = number(n_frames);
        (control[1], control[2]) = (number(self.first), number(self.every));
        control[3] = number(n_frames.saturating_mul(self.every));
        control[9] = ((self.dt / AKMA) as f32).to_bits();
        control[19] = VERSION;
        let words = control.iter().flat_map(|word| word.to_le_bytes());
        let mut bytes = Vec::new();
        record(&mut bytes, b"CORD".iter().copied().chain(words));
        let title: String = TITLE.iter().map(|line| format!("{line:<80}")).collect();
        record(&mut bytes, (TITLE.len() as u32).to_le_bytes().into_iter().chain(title.bytes()));
        record(&mut bytes, (self.n_beads as u32).to_le_bytes());
        bytes
    }
}

/// Appends a frame, Å.
pub(super) fn encode_dcd(bytes: &mut Vec<u8>, positions: &[[f64; 3]]) {
    for axis in 0..3 {
        record(bytes, positions.iter().flat_map(|x| (x[axis] as f32).to_le_bytes()));
    }
}

/// Appends a Fortran record, which has its length before and after it.
fn record(bytes: &mut Vec<u8>, body: impl IntoIterator<Item = u8>) {
    let start = bytes.len();
    bytes.extend([0; 4]);
    bytes.extend(body);
    let length = ((bytes.len() - start - 4) as u32).to_le_bytes();
    bytes[start..start + 4].copy_from_slice(&length);
    bytes.extend(length);
}

/// Readers interpret numbers as signed 32-bit numbers.
fn number(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX).min(i32::MAX as u32)
}
