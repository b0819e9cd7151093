#import vector
#import math

// 0: tanh x, 1: x / (1 + e^-x), 2: ln(1 + e^x) - ACTIVATION_SHIFT.
constexpr u32 ACTIVATION = 0u;
constexpr float ACTIVATION_SHIFT = 0.6931472f;

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + exp_of(-x)); }

__device__ inline float act(float x) {
    if constexpr (ACTIVATION == 0u) {
        return tanh_of(x);
    } else if constexpr (ACTIVATION == 1u) {
        return x * sigmoid(x);
    } else {
        return fmaxf(x, 0.0f) + log1p_of(exp_of(-fabsf(x))) - ACTIVATION_SHIFT;
    }
}

// act(x), act'(x)
__device__ inline float2 act_and_slope(float x) {
    if constexpr (ACTIVATION == 0u) {
        const float t = tanh_of(x);
        return make_float2(t, fmaf(-t, t, 1.0f));
    } else if constexpr (ACTIVATION == 1u) {
        const float s = sigmoid(x);
        return make_float2(x * s, s * fmaf(x, 1.0f - s, 1.0f));
    } else {
        return make_float2(act(x), sigmoid(x));
    }
}

__device__ inline float4 act4(float4 x) {
    return make_float4(act(x.x), act(x.y), act(x.z), act(x.w));
}

__device__ inline float4 act_slope4(float4 x) {
    return make_float4(
        act_and_slope(x.x).y, act_and_slope(x.y).y, act_and_slope(x.z).y, act_and_slope(x.w).y);
}
