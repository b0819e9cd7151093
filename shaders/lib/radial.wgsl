#import math

// Two envelopes, in the form of `model::radial::Envelope`: the radial basis' own and the
// convolution's. 3e38 stands for infinity.
const BASIS_LOW: f32 = -3e38;
const BASIS_START: f32 = 0.0;
const BASIS_END: f32 = 15.0;
const BASIS_RATE: f32 = 0.06666667;
const BASIS_PHASE: f32 = 0.0;
const CONV_LOW: f32 = -3e38;
const CONV_START: f32 = 0.0;
const CONV_END: f32 = 15.0;
const CONV_RATE: f32 = 0.06666667;
const CONV_PHASE: f32 = 0.0;
// Beads are neighbors below this distance, Å.
const RADIUS: f32 = 15.0;
// t(d) = d, or exp(WARP_ALPHA (WARP_LOWER - d)).
const WARPED: bool = true;
const WARP_ALPHA: f32 = 0.3333333;
const WARP_LOWER: f32 = 0.0;

// 1/2 + 1/2 cos(pi u) = cos^2(pi u / 2), which keeps its digits near 0.
fn envelope(low: f32, start: f32, end: f32, rate: f32, phase: f32, d: f32) -> vec2<f32> {
    if d <= low || d >= end {
        return vec2<f32>(0.0);
    }
    if d <= start {
        return vec2<f32>(1.0, 0.0);
    }
    let half_angle = cos_sin_pi(0.5 * fma(d - start, rate, phase));
    return vec2<f32>(half_angle.x * half_angle.x, -PI * rate * half_angle.x * half_angle.y);
}

// C(d), C'(d) of the basis.
fn basis_envelope(d: f32) -> vec2<f32> {
    return envelope(BASIS_LOW, BASIS_START, BASIS_END, BASIS_RATE, BASIS_PHASE, d);
}

// C(d), C'(d) of the convolution.
fn conv_envelope(d: f32) -> vec2<f32> {
    return envelope(CONV_LOW, CONV_START, CONV_END, CONV_RATE, CONV_PHASE, d);
}

// t(d), t'(d)
fn basis_coordinate(d: f32) -> vec2<f32> {
    if WARPED {
        let t = exp_of(WARP_ALPHA * (WARP_LOWER - d));
        return vec2<f32>(t, -WARP_ALPHA * t);
    }
    return vec2<f32>(d, 1.0);
}

// An edge as the basis sees it.
struct EdgeBasis {
    // C, C' of the basis
    envelope: vec2<f32>,
    // t, t'
    coordinate: vec2<f32>,
}

fn edge_basis(d: f32) -> EdgeBasis {
    return EdgeBasis(basis_envelope(d), basis_coordinate(d));
}

// B_k(d), B_k'(d) for the function with this (center, sharpness).
fn radial_function(edge: EdgeBasis, function: vec2<f32>) -> vec2<f32> {
    let offset = edge.coordinate.x - function.x;
    let bell = exp_of(-function.y * offset * offset);
    let value = edge.envelope.x * bell;
    let slope = edge.envelope.y * bell
        - value * 2.0 * function.y * offset * edge.coordinate.y;
    return vec2<f32>(value, slope);
}
