//! Features and tables in f32 or in 16-bit floats.

use half::f16;

use super::device::Device;
use super::wgsl::{Constants, Value};
use crate::engine::{Filter, Numerics, Precision};

/// What features and tables are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    F32,
    /// 16-bit floats, and products in f32.
    Half,
    /// 16-bit floats, and products in them.
    F16,
}

impl Stored {
    pub(super) fn new(device: &Device, numerics: Numerics) -> Self {
        // Exact filters are computed from f32 and in f32.
        match (numerics.precision, numerics.filter) {
            (Precision::Mixed, Filter::Table { .. }) if device.halves => Stored::F16,
            (Precision::Mixed, Filter::Table { .. }) => Stored::Half,
            _ => Stored::F32,
        }
    }

    /// Words of four channels.
    pub(super) fn words(self) -> usize {
        if self == Stored::F32 { 4 } else { 2 }
    }

    /// The files of shaders/lib in which kernels find it.
    pub(super) fn files(self) -> Constants {
        let file = match self {
            Stored::F32 => return Vec::new(),
            Stored::Half => "stored_half",
            Stored::F16 => "stored_f16",
        };
        vec![
            ("stored", Value::File(file)),
            ("filter_table_read", Value::File("filter_table_read_half")),
        ]
    }

    /// Features, in fours of channels, as they lie in memory.
    pub(super) fn pack(self, features: &[f32]) -> Vec<u32> {
        match self {
            Stored::F32 => features.iter().map(|x| x.to_bits()).collect(),
            _ => features.chunks_exact(2).map(|two| pack_halves([two[0], two[1]])).collect(),
        }
    }
}

/// Two 16-bit floats in a word.
fn pack_halves(two: [f32; 2]) -> u32 {
    let [low, high] = two.map(|x| u32::from(f16::from_f32(x).to_bits()));
    low | high << 16
}
