// lib/stored with f16 in memory and f32 everywhere else: for devices without f16 arithmetic.
#import vector

using Stored = uint2;
using Real4 = float4;

__device__ inline Real4 loaded(Stored x) {
    const float2 xy = unpack_halves(x.x), zw = unpack_halves(x.y);
    return make_float4(xy.x, xy.y, zw.x, zw.y);
}

__device__ inline Stored stored(float4 x) {
    return make_uint2(pack_halves(x.x, x.y), pack_halves(x.z, x.w));
}

__device__ inline float4 widened(Real4 x) { return x; }

__device__ inline float dot_of(Real4 a, Real4 b) { return dot(a, b); }
