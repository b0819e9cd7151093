// lib/filter_table_read with 16 bits for each coefficient, in parts of a power of two of the
// channel's own that the features bring along, t being in parts of UNIT.
//
// All are 16-bit floats. Of the fourth only the upper byte is its own; the lower one is the upper
// byte of what the first coefficient leaves: a message sums that over neighbors at like distances.
#import row
#import stored

// (two quads of the first and the second, two of the third and the fourth)
using Coefficients = uint4;

struct Cubic {
    // Without `rest`.
    Real4 c0;
    Real4 c1;
    Real4 c2;
    Real4 c3;
    Stored rest;
    Real4 t;
};

// Å
constexpr float UNIT = 0.0625f;

// t as edges have it in shared memory.
__device__ inline u32 t_bits(float t) {
    const float in_units = t * (1.0f / UNIT);
    return pack_halves(in_units, in_units);
}

// Of four channels, whose first begin here.
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

// The way forward takes what rounds the sum to f32: an activation makes more of errors than a
// gradient does.
__device__ inline float4 value(const Cubic& c) {
    const Real4 w1 = fma(fma(c.c3, c.t, c.c2), c.t, c.c1);
    const Real4 rest = loaded(make_uint2(c.rest.x << 8, c.rest.y << 8));
    return widened(c.c0) + widened(fma(w1, c.t, rest));
}

// Value, and slope with respect to t, by one Horner scheme.
struct Jet {
    Real4 value;
    Real4 slope;
};

__device__ inline Jet value_and_slope(const Cubic& c) {
    const Real4 w2 = fma(c.c3, c.t, c.c2);
    const Real4 w1 = fma(w2, c.t, c.c1);
    return {fma(w1, c.t, c.c0), fma(fma(c.c3, c.t, w2), c.t, w1)};
}
