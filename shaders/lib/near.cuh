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

__device__ inline float sigmoid_near(float x) {
    return __fdividef(1.0f, 1.0f + __expf(-fmaxf(x, -80.0f)));
}

__device__ inline float act_near(float x) {
    if constexpr (ACTIVATION == TANH) {
        return 1.0f - __fdividef(2.0f, 1.0f + __expf(fminf(2.0f * x, 80.0f)));
    } else if constexpr (ACTIVATION == SILU) {
        return x * sigmoid_near(x);
    } else {
        return fmaxf(x, 0.0f) + __logf(1.0f + __expf(-fabsf(x))) - ACTIVATION_SHIFT;
    }
}

// act'(x)
__device__ inline float act_slope_near(float x) {
    if constexpr (ACTIVATION == TANH) {
        const float t = act_near(x);
        return 1.0f - t * t;
    } else if constexpr (ACTIVATION == SILU) {
        const float s = sigmoid_near(x);
        return s * (1.0f + x * (1.0f - s));
    } else {
        return sigmoid_near(x);
    }
}
