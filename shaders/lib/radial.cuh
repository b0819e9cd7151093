#import math

// Two envelopes, in the form of `model::radial::Envelope`: that of the radial basis and that of the
// convolution. 3e38 stands for infinity.
constexpr float BASIS_LOW = -3e38f;
constexpr float BASIS_START = 0.0f;
constexpr float BASIS_END = 15.0f;
constexpr float BASIS_RATE = 0.06666667f;
constexpr float CONV_LOW = -3e38f;
constexpr float CONV_START = 0.0f;
constexpr float CONV_END = 15.0f;
constexpr float CONV_RATE = 0.06666667f;
// Beads are neighbors below this distance, Å.
constexpr float RADIUS = 15.0f;
// t(d) = d, or exp(WARP_ALPHA (WARP_LOWER - d)).
constexpr bool WARPED = true;
constexpr float WARP_ALPHA = 0.3333333f;
constexpr float WARP_LOWER = 0.0f;
// Above this exponent t is constant, and all functions are 0.
constexpr float MOST_EXPONENT = 30.0f;

// C(d), C'(d). C is the square of a sine whose phase is 0 at the end, so C keeps its digits there.
__device__ inline float2 envelope(float low, float start, float end, float rate, float d) {
    if (d <= low || d >= end) {
        return make_float2(0.0f, 0.0f);
    }
    if (d <= start) {
        return make_float2(1.0f, 0.0f);
    }
    const float2 turn = cos_sin_pi(0.5f * rate * (end - d));
    return make_float2(turn.y * turn.y, -PI * rate * turn.x * turn.y);
}

// C(d), C'(d) of the basis.
__device__ inline float2 basis_envelope(float d) {
    return envelope(BASIS_LOW, BASIS_START, BASIS_END, BASIS_RATE, d);
}

// C(d), C'(d) of the convolution.
__device__ inline float2 conv_envelope(float d) {
    return envelope(CONV_LOW, CONV_START, CONV_END, CONV_RATE, d);
}

// t(d), t'(d)
__device__ inline float2 basis_coordinate(float d) {
    if constexpr (WARPED) {
        const float exponent = WARP_ALPHA * (WARP_LOWER - d);
        const float t = exp_of(fminf(exponent, MOST_EXPONENT));
        return make_float2(t, exponent > MOST_EXPONENT ? 0.0f : -WARP_ALPHA * t);
    } else {
        return make_float2(d, 1.0f);
    }
}

// The inputs of the radial functions for an edge.
struct EdgeBasis {
    // C, C' of the basis
    float2 envelope;
    // t, t'
    float2 coordinate;
};

__device__ inline EdgeBasis edge_basis(float d) {
    return EdgeBasis{basis_envelope(d), basis_coordinate(d)};
}

// B_k(d), B_k'(d) of the function with this (center, sharpness).
__device__ inline float2 radial_function(EdgeBasis edge, float2 function) {
    const float offset = edge.coordinate.x - function.x;
    const float bell = exp_of(-function.y * offset * offset);
    const float value = edge.envelope.x * bell;
    const float slope = edge.envelope.y * bell
        - value * 2.0f * function.y * offset * edge.coordinate.y;
    return make_float2(value, slope);
}
