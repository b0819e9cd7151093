// lib/stored with f16 in memory and in products; sums over many edges are f32.
#import vector

using Stored = uint2;

// Two f16 per word, as in memory.
struct Real4 {
    u32 xy;
    u32 zw;
};

__device__ inline u32 mul_halves(u32 a, u32 b) {
    u32 product;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

__device__ inline u32 fma_halves(u32 a, u32 b, u32 c) {
    u32 sum;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
    return sum;
}

__device__ inline Real4 operator*(Real4 a, Real4 b) {
    return {mul_halves(a.xy, b.xy), mul_halves(a.zw, b.zw)};
}

__device__ inline Real4 fma(Real4 a, Real4 b, Real4 c) {
    return {fma_halves(a.xy, b.xy, c.xy), fma_halves(a.zw, b.zw, c.zw)};
}

__device__ inline Real4 loaded(Stored x) { return {x.x, x.y}; }

__device__ inline Stored stored(float4 x) {
    return make_uint2(pack_halves(x.x, x.y), pack_halves(x.z, x.w));
}

__device__ inline float4 widened(Real4 x) {
    const float2 xy = unpack_halves(x.xy), zw = unpack_halves(x.zw);
    return make_float4(xy.x, xy.y, zw.x, zw.y);
}

__device__ inline float dot_of(Real4 a, Real4 b) {
    const float2 two = unpack_halves(fma_halves(a.zw, b.zw, mul_halves(a.xy, b.xy)));
    return two.x + two.y;
}
