#import math

// Philox4x32-10 (Salmon et al. 2011); the host twin is `random::philox`.
__device__ inline uint4 philox(uint4 counter, uint2 key) {
    for (u32 round = 0u; round < 10u; round++) {
        counter = make_uint4(
            __umulhi(counter.z, 0xcd9e8d57u) ^ counter.y ^ key.x,
            counter.z * 0xcd9e8d57u,
            __umulhi(counter.x, 0xd2511f53u) ^ counter.w ^ key.y,
            counter.x * 0xd2511f53u);
        key = make_uint2(key.x + 0x9e3779b9u, key.y + 0xbb67ae85u);
    }
    return counter;
}

// In (0, 1): the upper 24 bits, and a half.
__device__ inline float uniform_of(u32 bits) {
    return (float(bits >> 8u) + 0.5f) / 16777216.0f;
}

// Three standard normal numbers; the host twin is `random::normal3`.
__device__ inline float3 normal3(uint4 counter, uint2 key) {
    const uint4 bits = philox(counter, key);
    const float first = sqrtf(-2.0f * log_of(uniform_of(bits.x)));
    const float second = sqrtf(-2.0f * log_of(uniform_of(bits.z)));
    // cos(2 pi u) at 2u half turns.
    const float2 a = cos_sin_pi(2.0f * uniform_of(bits.y));
    const float2 b = cos_sin_pi(2.0f * uniform_of(bits.w));
    return make_float3(first * a.x, first * a.y, second * b.x);
}
