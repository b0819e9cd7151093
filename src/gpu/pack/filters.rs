//! The filters of a network in the layouts that kernels read.

use super::filter::{divided, filter_weights, matrix_scales, matrix_weights};
use super::table;
use crate::error::Result;
use crate::gpu::storage::{Features, Filters, Storage};
use crate::model::FilterTable;
use crate::model::schnet::SchNet;

/// The filters of all blocks in the layouts that kernels read. They do not depend on the system, so
/// all engines of a network share them.
#[derive(Debug, Default)]
pub(in crate::gpu) struct PackedFilters {
    /// For each block, the weights of its filter network or the coefficients of its table.
    pub(in crate::gpu) weights: Vec<Vec<u32>>,
    /// On tensor cores, for each block: scale factors, biases and radial functions in f32.
    pub(in crate::gpu) numbers: Vec<Vec<f32>>,
    /// For each block, a power of two for each filter, by which its coefficients are divided. Empty if
    /// all are 1.
    pub(in crate::gpu) scales: Vec<Vec<f64>>,
    /// Third and fourth coefficients are divided by 2^exponent, if tables are f32.
    pub(in crate::gpu) exponent: i32,
}

impl PackedFilters {
    pub(in crate::gpu) fn new(
        schnet: &SchNet,
        storage: Storage,
        table: Option<&FilterTable>,
    ) -> Result<Self> {
        let mut packed = PackedFilters::default();
        match (storage.filters, table) {
            (Filters::Matrices, _) => {
                for (b, block) in schnet.interactions.iter().enumerate() {
                    let (scales, activation) = (matrix_scales(block), schnet.activation_of(b));
                    let divided = divided(block, &scales);
                    let (halves, numbers) = matrix_weights(schnet, activation, &divided)?;
                    packed.scales.push(scales);
                    packed.weights.push(bytemuck::pod_collect_to_vec(&halves));
                    packed.numbers.push(numbers);
                }
            }
            (_, Some(table)) if storage.features == Features::F32 => {
                let (scales, exponent) = table::plain_scales(schnet, table);
                for (b, scales) in scales.iter().enumerate() {
                    let words = table::coefficients(schnet, table, b, scales, exponent)?;
                    packed.weights.push(words);
                }
                packed.exponent = exponent;
                if scales.iter().flatten().any(|scale| *scale != 1.0) {
                    packed.scales = scales;
                }
            }
            (_, Some(table)) => {
                for b in 0..schnet.interactions.len() {
                    let scales = table::scales(schnet, table, b);
                    packed.weights.push(table::half_coefficients(schnet, table, b, &scales)?);
                    packed.scales.push(scales);
                }
            }
            (_, None) => {
                let words = |block| bytemuck::cast_vec(filter_weights(schnet, block));
                packed.weights.extend(schnet.interactions.iter().map(words));
            }
        }
        Ok(packed)
    }
}
