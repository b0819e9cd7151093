//! Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), the same on every backend.
//!
//! The key is the seed; the counter is (bead, replica, step, stream), and for exchanges (try, first
//! replica of the ladder, number of the exchange, stream). The generator has no state,
//! so a restart needs none, and a replica draws the same numbers alone as among other replicas.

/// The use of the random numbers. Different uses draw different numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Noise of the integrators.
    Noise = 0,
    /// Initial velocities.
    Velocities = 1,
    /// Weights and parameters of models that the library makes.
    Model = 2,
    /// Exchanges of states between replicas.
    Exchange = 3,
    /// Conformations of random coils: the replica is the coil, the step counts the tries for a
    /// residue, and the bead is the residue.
    Coil = 4,
}

/// The upper 64 bits of the counter hold the step in 56 bits and the stream in the top byte.
const STREAM_SHIFT: u32 = 24;

/// Ten rounds of Philox4x32.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product0 = u64::from(counter[0]) * 0xD251_1F53;
        let product1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (product1 >> 32) as u32 ^ counter[1] ^ key[0],
            product1 as u32,
            (product0 >> 32) as u32 ^ counter[3] ^ key[1],
            product0 as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Four random words.
pub fn draw(seed: u64, stream: Stream, replica: u32, step: u64, bead: u32) -> [u32; 4] {
    let high = (step >> 32) as u32 | (stream as u32) << STREAM_SHIFT;
    philox([bead, replica, step as u32, high], [seed as u32, (seed >> 32) as u32])
}

/// Four uniform numbers u in (0, 1), each an odd multiple of 2⁻²⁵. f32 holds u exactly if u < ½,
/// and 1 − u exactly if u > ½.
pub fn uniform4(seed: u64, stream: Stream, replica: u32, step: u64, bead: u32) -> [f64; 4] {
    let words = draw(seed, stream, replica, step, bead);
    words.map(|word| (f64::from(word >> 8) + 0.5) / 16_777_216.0)
}

/// Three standard normal numbers, by Box and Muller:
/// √(−2 ln u0) (cos, sin)(2π u1), √(−2 ln u2) cos(2π u3).
pub fn normal3(seed: u64, stream: Stream, replica: u32, step: u64, bead: u32) -> [f64; 3] {
    let u = uniform4(seed, stream, replica, step, bead);
    let radius = [u[0], u[2]].map(|u| (-2.0 * u.ln()).sqrt());
    let angle = [u[1], u[3]].map(|u| std::f64::consts::TAU * u);
    [radius[0] * angle[0].cos(), radius[0] * angle[0].sin(), radius[1] * angle[1].cos()]
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([ones; 4], [ones; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Mean and variance of 30,000 numbers lie within five standard errors of 0 and 1.
    #[test]
    fn normal_numbers_have_the_right_moments() {
        let values: Vec<f64> =
            (0..10_000).flat_map(|step| normal3(7, Stream::Noise, 3, step, 11)).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {variance}");
    }
}
