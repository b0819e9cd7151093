// lib/filter_table_read with f16 coefficients. The unit of t is such that |t| is at most 1. The
// coefficients of a channel are divided by a power of two, and the features of the channel are
// multiplied by it.
//
// The lower byte of c3 is replaced by the upper byte of `rest`, an f16 that corrects the rounding
// of c0. A message would otherwise sum that error over neighbors at similar distances.
#import row
#import stored

// Words x and y of the first element hold c0 of four channels, z and w hold c1; the second element
// holds c2 and c3 in the same way.
using Coefficients = uint4;

struct Cubic {
    // c0 without `rest`.
    Real4 c0;
    Real4 c1;
    Real4 c2;
    Real4 c3;
    Stored rest;
    Real4 t;
};

// t in the format of edges in shared memory.
__device__ inline u32 t_bits(float t) { return pack_halves(t, t); }

// Coefficients of the four channels at `at`.
__device__ inline Cubic coefficients(const Coefficients* __restrict__ table, u32 at, u32 t) {
    const uint4 lower = table[at];
    const uint4 higher = table[at + QUADS];
    return {
        loaded(make_uint2(lower.x, lower.y)),
        loaded(make_uint2(lower.z, lower.w)),
        loaded(make_uint2(higher.x, higher.y)),
        loaded(make_uint2(higher.z, higher.w)),
        make_uint2(higher.z, higher.w),
        loaded(make_uint2(t, t)),
    };
}

// The forward pass adds `rest` and sums in f32: the activations that follow amplify errors of
// messages more than the backward pass amplifies errors of gradients.
__device__ inline float4 value(const Params*, const Cubic& c) {
    const Real4 w1 = fma(fma(c.c3, c.t, c.c2), c.t, c.c1);
    const Real4 rest = loaded(make_uint2(c.rest.x << 8, c.rest.y << 8));
    return widened(c.c0) + widened(fma(w1, c.t, rest));
}

// Value, and slope with respect to t, by one Horner scheme.
struct Jet {
    Real4 value;
    Real4 slope;
};

__device__ inline Jet value_and_slope(const Params*, const Cubic& c) {
    const Real4 w2 = fma(c.c3, c.t, c.c2);
    const Real4 w1 = fma(w2, c.t, c.c1);
    return {fma(w1, c.t, c.c0), fma(fma(c.c3, c.t, w2), c.t, w1)};
}
