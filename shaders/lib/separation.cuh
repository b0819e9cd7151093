// Positions, and the only place where separation vectors are computed.
//
// A position is the sum of two f32 numbers, high and low: a single f32 would lose digits at every
// step and far from the origin. Both are multiples of 2^-32 Å, so their sum is exact in the host's
// f64. The host twin is `gpu::params::Position`.
#import vector

struct Position {
    // xyz: the f32 nearest to the position, Å; w: class of the bead in the rule of its molecule
    float4 high;
    // xyz: the rest, Å; w: 0, or 1 for a bead that did not move, from integrate_begin to
    // neighbor_check
    float4 low;
};
static_assert(sizeof(Position) == 32, "the host's layout");

// a - b, Å. The difference of the high numbers is rounded at most once, so its error is relative to
// the difference, not to the coordinates.
__device__ inline float3 separation(const Position& a, const Position& b) {
    return (xyz(a.high) - xyz(b.high)) + (xyz(a.low) - xyz(b.low));
}

// a + b as the nearest f32 and its rounding error (Dekker 1971). The intrinsics keep the compiler
// from contracting or canceling the operations.
__device__ inline float2 exact_sum(float a, float b) {
    const bool swap = fabsf(b) > fabsf(a);
    const float large = swap ? b : a;
    const float small = swap ? a : b;
    const float high = __fadd_rn(large, small);
    const float taken = __fsub_rn(high, large);
    return make_float2(high, __fsub_rn(small, taken));
}

__device__ inline Position exact_sum(float3 a, float3 b) {
    const float2 x = exact_sum(a.x, b.x);
    const float2 y = exact_sum(a.y, b.y);
    const float2 z = exact_sum(a.z, b.z);
    return {make_float4(x.x, y.x, z.x, 0.0f), make_float4(x.y, y.y, z.y, 0.0f)};
}
