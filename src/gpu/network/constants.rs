//! The constants that a network gives to files of shaders/lib.

use super::super::compose::{Constants, Value};
use super::super::params::activation;
use crate::model::radial::{Envelope, MOST_EXPONENT};
use crate::model::schnet::Activation;
use crate::model::{Cutoff, RadialBasis};

/// Constants of lib/activation.wgsl.
pub(in crate::gpu) fn activation_constants(act: Activation) -> Constants {
    let (kind, shift) = match act {
        Activation::Tanh => (activation::TANH, 0.0),
        Activation::Silu => (activation::SILU, 0.0),
        Activation::ShiftedSoftplus { shift } => (activation::SHIFTED_SOFTPLUS, shift),
        Activation::Sigmoid => (activation::SIGMOID, 0.0),
        Activation::Mish => (activation::MISH, 0.0),
        Activation::Identity => (activation::IDENTITY, 0.0),
    };
    vec![("ACTIVATION", Value::Count(kind)), ("ACTIVATION_SHIFT", Value::Real(shift))]
}

/// Constants of lib/radial.wgsl.
pub(in crate::gpu) fn radial_constants(basis: &RadialBasis, conv: &Cutoff) -> Constants {
    let (basis_envelope, conv): (Envelope, Envelope) = (basis.cutoff.envelope(), conv.envelope());
    let warp = basis.form().warp;
    let (alpha, lower) = warp.unwrap_or((0.0, 0.0));
    vec![
        ("BASIS_LOW", Value::Real(basis_envelope.low)),
        ("BASIS_START", Value::Real(basis_envelope.start)),
        ("BASIS_END", Value::Real(basis_envelope.end)),
        ("BASIS_RATE", Value::Real(basis_envelope.rate)),
        ("CONV_LOW", Value::Real(conv.low)),
        ("CONV_START", Value::Real(conv.start)),
        ("CONV_END", Value::Real(conv.end)),
        ("CONV_RATE", Value::Real(conv.rate)),
        ("RADIUS", Value::Real(basis.cutoff.upper())),
        ("WARPED", Value::Flag(warp.is_some())),
        ("WARP_ALPHA", Value::Real(alpha)),
        ("WARP_LOWER", Value::Real(lower)),
        ("MOST_EXPONENT", Value::Real(MOST_EXPONENT)),
    ]
}
