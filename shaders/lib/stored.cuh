// Four channels of features or coefficients, in the formats of memory and of products: f32.
// lib/stored_half and lib/stored_f16 have the same functions for f16.
#import vector

using Stored = float4;
using Real4 = float4;

__device__ inline Real4 loaded(Stored x) { return x; }

__device__ inline Stored stored(float4 x) { return x; }

__device__ inline float4 widened(Real4 x) { return x; }

__device__ inline float dot_of(Real4 a, Real4 b) { return dot(a, b); }
