// The functions of lib/radial and lib/activation, with built-in exp and log: precise enough for
// results that are rounded to f16.
#import vector
#import radial
#import activation

__device__ inline float bell_near(float offset, float sharpness) {
    return __expf(-sharpness * offset * offset);
}

// B_k(d) of four functions, from C and t.
__device__ inline float4 radial_near(
    float envelope, float coordinate, float4 center, float4 sharpness) {
    const float4 offset = four(coordinate) - center;
    return envelope * make_float4(
        bell_near(offset.x, sharpness.x), bell_near(offset.y, sharpness.y),
        bell_near(offset.z, sharpness.z), bell_near(offset.w, sharpness.w));
}

// B_k'(d) of four functions, from (C, C') and (t, t').
__device__ inline float4 radial_slope_near(
    float2 envelope, float2 coordinate, float4 center, float4 sharpness) {
    const float4 offset = four(coordinate.x) - center;
    const float4 steepness = (envelope.x * 2.0f * coordinate.y) * sharpness * offset;
    return (four(envelope.y) - steepness) * make_float4(
        bell_near(offset.x, sharpness.x), bell_near(offset.y, sharpness.y),
        bell_near(offset.z, sharpness.z), bell_near(offset.w, sharpness.w));
}

// 1 / (1 + e^x)
__device__ inline float tail_near(float x) {
    return __fdividef(1.0f, 1.0f + __expf(fminf(x, 80.0f)));
}

// act(x); NaN if x is broken
__device__ inline float act_near(float x) {
    float value;
    if constexpr (ACTIVATION == TANH) {
        value = 1.0f - 2.0f * tail_near(2.0f * x);
    } else if constexpr (ACTIVATION == SILU) {
        value = fmaxf(x, -80.0f) * tail_near(-x);
    } else if constexpr (ACTIVATION == IDENTITY) {
        value = x;
    } else if constexpr (ACTIVATION == SIGMOID) {
        value = tail_near(-x);
    } else if constexpr (ACTIVATION == MISH) {
        value = mish_of(x, __expf(-fabsf(x))).x;
    } else {
        value = fmaxf(x, 0.0f) + __logf(1.0f + __expf(-fabsf(x))) - ACTIVATION_SHIFT;
    }
    return unless_broken(value, x);
}

// act'(x); NaN if x is broken
__device__ inline float act_slope_near(float x) {
    float slope;
    if constexpr (ACTIVATION == TANH) {
        const float tail = tail_near(2.0f * fabsf(x));
        slope = 4.0f * tail * (1.0f - tail);
    } else if constexpr (ACTIVATION == IDENTITY) {
        slope = 1.0f;
    } else if constexpr (ACTIVATION == SIGMOID) {
        const float tail = tail_near(fabsf(x));
        slope = tail * (1.0f - tail);
    } else if constexpr (ACTIVATION == MISH) {
        slope = mish_of(x, __expf(-fabsf(x))).y;
    } else {
        slope = tail_near(-x);
        if constexpr (ACTIVATION == SILU) {
            slope *= 1.0f + fmaxf(x, -80.0f) * (1.0f - slope);
        }
    }
    return unless_broken(slope, x);
}
