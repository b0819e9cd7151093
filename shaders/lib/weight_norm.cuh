// lib/weight with normalised 16-bit integers, in units of the largest weight of their output. Near
// the largest weight their errors are 1/16 of those of f16.
#import vector

using Weights = uint2;

constexpr u32 NUMBERS = 2u;
constexpr bool SCALED = true;

// The two integers of a word, lower half first.
__device__ inline float2 norms_in(u32 x) {
    constexpr float PART = 1.0f / 32767.0f;
    const float low = static_cast<float>(static_cast<short>(x & 0xffffu));
    const float high = static_cast<float>(static_cast<i32>(x) >> 16);
    return make_float2(fmaxf(low * PART, -1.0f), fmaxf(high * PART, -1.0f));
}

__device__ inline float4 weights_in(Weights x) {
    const float2 a = norms_in(x.x);
    const float2 b = norms_in(x.y);
    return make_float4(a.x, a.y, b.x, b.y);
}

__device__ inline float4 numbers_at(const Weights* weight, u32 at) {
    const uint2 a = __ldg(&weight[at]);
    const uint2 b = __ldg(&weight[at + 1u]);
    return make_float4(
        float_of_bits(a.x), float_of_bits(a.y), float_of_bits(b.x), float_of_bits(b.y));
}
