//! Random parameters, with the same bits on every machine.

use crate::random::{Stream, uniform4};

const SEED: u64 = 20_240_054;

/// Draws arrays of random numbers, one after the other.
pub(super) struct Draw {
    array: u32,
}

impl Draw {
    pub(super) fn new() -> Self {
        Draw { array: 0 }
    }

    /// `n` numbers uniform in (−`limit`, `limit`), each exact in f32.
    pub(super) fn uniform(&mut self, n: usize, limit: f64) -> Vec<f64> {
        let array = self.array;
        self.array += 1;
        (0..n as u32)
            .step_by(4)
            .flat_map(|start| uniform4(SEED, Stream::Model, array, 0, start))
            .take(n)
            .map(|u| f64::from((limit * (2.0 * u - 1.0)) as f32))
            .collect()
    }
}
