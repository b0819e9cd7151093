//! Arrays of random parameters.

use super::{Stream, uniform4};

/// Draws arrays of random numbers, one after the other, with the same bits on every machine.
pub(crate) struct Draw {
    seed: u64,
    array: u32,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Draw { seed, array: 0 }
    }

    /// `n` numbers uniform in (−`limit`, `limit`), each exact in f32.
    pub(crate) fn uniform(&mut self, n: usize, limit: f64) -> Vec<f64> {
        let (seed, array) = (self.seed, self.array);
        self.array += 1;
        (0..n as u32)
            .step_by(4)
            .flat_map(|start| uniform4(seed, Stream::Model, array, 0, start))
            .take(n)
            .map(|u| f64::from((limit * (2.0 * u - 1.0)) as f32))
            .collect()
    }
}
