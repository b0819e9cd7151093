//! Linear layers on rows of features.

use crate::model::filter::{product, transposed_product};
use crate::model::schnet::Linear;
use crate::ops::Dense;

fn add(mut y: Vec<f64>, residual: &[f64]) -> Vec<f64> {
    for (y, residual) in y.iter_mut().zip(residual) {
        *y += residual;
    }
    y
}

pub(super) fn dense(layer: &Linear, mode: Dense, x: &[f64]) -> Vec<f64> {
    let activate = |activation: crate::model::Activation| -> Vec<f64> {
        x.iter().map(|x| activation.value_and_slope(*x).0).collect()
    };
    match mode {
        Dense::Linear => product(layer, x, true),
        Dense::Activate(activation) => product(layer, &activate(activation), true),
        Dense::ActivateAdd(activation, residual) => {
            add(product(layer, &activate(activation), true), residual)
        }
        Dense::Transposed => transposed_product(layer, x),
        Dense::TransposedAdd(residual) => add(transposed_product(layer, x), residual),
        Dense::TransposedSlope(activation, pre) => {
            let mut y = transposed_product(layer, x);
            for (y, pre) in y.iter_mut().zip(pre) {
                *y *= activation.value_and_slope(*pre).1;
            }
            y
        }
    }
}
