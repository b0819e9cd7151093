#import math

// Two envelopes, in the form of `model::radial::Envelope`: that of the radial basis and that of the
// convolution. 3e38 stands for infinity.
const BASIS_LOW: f32 = -3e38;
const BASIS_START: f32 = 0.0;
const BASIS_END: f32 = 15.0;
const BASIS_RATE: f32 = 0.06666667;
const CONV_LOW: f32 = -3e38;
const CONV_START: f32 = 0.0;
const CONV_END: f32 = 15.0;
const CONV_RATE: f32 = 0.06666667;
// Beads are neighbors below this distance, Å.
const RADIUS: f32 = 15.0;
// t(d) = d, or exp(WARP_ALPHA (WARP_LOWER - d)).
const WARPED: bool = true;
const WARP_ALPHA: f32 = 0.3333333;
const WARP_LOWER: f32 = 0.0;
// Above this exponent t is constant, and all functions are 0.
const MOST_EXPONENT: f32 = 30.0;

// C(d), C'(d). C is the square of a sine whose phase is 0 at the end, so C keeps its digits there.
fn envelope(low: f32, start: f32, end: f32, rate: f32, d: f32) -> vec2<f32> {
    if d <= low || d >= end {
        return vec2<f32>(0.0);
    }
    if d <= start {
        return vec2<f32>(1.0, 0.0);
    }
    // max changes no value. It keeps compilers from expanding the product with the difference.
    let left = max(end - d, 0.0);
    let turn = cos_sin_pi(0.5 * rate * left);
    return vec2<f32>(turn.y * turn.y, -PI * rate * turn.x * turn.y);
}

// C(d), C'(d) of the basis.
fn basis_envelope(d: f32) -> vec2<f32> {
    return envelope(BASIS_LOW, BASIS_START, BASIS_END, BASIS_RATE, d);
}

// C(d), C'(d) of the convolution.
fn conv_envelope(d: f32) -> vec2<f32> {
    return envelope(CONV_LOW, CONV_START, CONV_END, CONV_RATE, d);
}

// t(d), t'(d)
fn basis_coordinate(d: f32) -> vec2<f32> {
    if WARPED {
        let exponent = WARP_ALPHA * (WARP_LOWER - d);
        let t = exp_of(min(exponent, MOST_EXPONENT));
        return vec2<f32>(t, select(-WARP_ALPHA * t, 0.0, exponent > MOST_EXPONENT));
    }
    return vec2<f32>(d, 1.0);
}

// The inputs of the radial functions for an edge.
struct EdgeBasis {
    // C, C' of the basis
    envelope: vec2<f32>,
    // t, t'
    coordinate: vec2<f32>,
}

fn edge_basis(d: f32) -> EdgeBasis {
    return EdgeBasis(basis_envelope(d), basis_coordinate(d));
}

// B_k(d), B_k'(d) of the function with this (center, sharpness).
fn radial_function(edge: EdgeBasis, function: vec2<f32>) -> vec2<f32> {
    let offset = edge.coordinate.x - function.x;
    let bell = exp_of(-function.y * offset * offset);
    let value = edge.envelope.x * bell;
    let slope = edge.envelope.y * bell
        - value * 2.0 * function.y * offset * edge.coordinate.y;
    return vec2<f32>(value, slope);
}
