#import vector
#import math

// tanh x, x / (1 + e^-x), ln(1 + e^x) - ACTIVATION_SHIFT, 1 / (1 + e^-x), x tanh(ln(1 + e^x)),
// x; the host twin is `gpu::params::activation`.
constexpr u32 TANH = 0u;
constexpr u32 SILU = 1u;
constexpr u32 SHIFTED_SOFTPLUS = 2u;
constexpr u32 SIGMOID = 3u;
constexpr u32 MISH = 4u;
constexpr u32 IDENTITY = 5u;
constexpr u32 ACTIVATION = 0u;
constexpr float ACTIVATION_SHIFT = 0.6931472f;

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + exp_of(-x)); }

// 1 / (1 + e^-x) and its slope, from t = e^-|x|
__device__ inline float2 sigmoid_of(float x, float t) {
    const float s = 1.0f / (1.0f + t);
    return make_float2(x < 0.0f ? t * s : s, t * s * s);
}

// x tanh(ln(1 + e^x)) and its slope, from t = e^-|x|. With u = e^x the tanh is n / d, where
// n = u (u + 2) and d = n + 2; for x > 0 both are divided by u^2.
__device__ inline float2 mish_of(float x, float t) {
    const float n = x > 0.0f ? 1.0f + 2.0f * t : t * (t + 2.0f);
    const float d = n + (x > 0.0f ? 2.0f * t * t : 2.0f);
    const float weight = x > 0.0f ? t * t : t;
    return make_float2(x * n / d, n / d + 4.0f * x * weight * (1.0f + t) / (d * d));
}

// act(x), act'(x); NaN if x is broken
__device__ inline float2 act_and_slope(float x) {
    float2 both;
    if constexpr (ACTIVATION == TANH) {
        both = tanh_and_slope(x);
    } else if constexpr (ACTIVATION == IDENTITY) {
        both = make_float2(x, 1.0f);
    } else if constexpr (ACTIVATION == SIGMOID) {
        both = sigmoid_of(x, exp_of(-fabsf(x)));
    } else if constexpr (ACTIVATION == MISH) {
        both = mish_of(x, exp_of(-fabsf(x)));
    } else {
        const float s = sigmoid(x);
        if constexpr (ACTIVATION == SILU) {
            both = make_float2(x * s, s * fmaf(x, 1.0f - s, 1.0f));
        } else {
            both = make_float2(
                fmaxf(x, 0.0f) + log1p_of(exp_of(-fabsf(x))) - ACTIVATION_SHIFT, s);
        }
    }
    return make_float2(unless_broken(both.x, x), unless_broken(both.y, x));
}

__device__ inline float act(float x) { return act_and_slope(x).x; }

__device__ inline float4 act4(float4 x) {
    return make_float4(act(x.x), act(x.y), act(x.z), act(x.w));
}

__device__ inline float4 act_slope4(float4 x) {
    return make_float4(
        act_and_slope(x.x).y, act_and_slope(x.y).y, act_and_slope(x.z).y, act_and_slope(x.w).y);
}
