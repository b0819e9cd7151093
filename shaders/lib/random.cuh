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

// (bits + 1/2) / 2^24, in (0, 1), for bits < 2^24.
__device__ inline float uniform_of(u32 bits) {
    return (float(bits) + 0.5f) / 16777216.0f;
}

// sqrt(-2 ln u) for u = uniform_of(bits). For u near 1 the logarithm is computed from 1 - u, which
// has the digits that u lacks.
__device__ inline float radius_of(u32 bits) {
    if (bits > 0xc00000u) {
        return sqrtf(-2.0f * log1p_of(-uniform_of(0xffffffu - bits)));
    }
    return sqrtf(-2.0f * log_of(uniform_of(bits)));
}

// Three standard normal numbers (Box and Muller); the host twin is `random::normal3`.
__device__ inline float3 normal3(uint4 counter, uint2 key) {
    const uint4 bits = philox(counter, key);
    const float first = radius_of(bits.x >> 8u);
    const float second = radius_of(bits.z >> 8u);
    // cos_sin_pi takes half turns: 2 pi u = pi 2u.
    const float2 a = cos_sin_pi(2.0f * uniform_of(bits.y >> 8u));
    const float2 b = cos_sin_pi(2.0f * uniform_of(bits.w >> 8u));
    return make_float3(first * a.x, first * a.y, second * b.x);
}
