// Moves of beads on the grid of positions, and the range of coordinates.
#import math
#import separation

// Positions are multiples of 1/GRID Å.
constexpr float GRID = 4294967296.0f;
// The largest coordinate of a bead, origin included, Å.
constexpr float FARTHEST = 1048576.0f;

__device__ inline bool any_broken(float3 x) {
    return is_broken(x.x) || is_broken(x.y) || is_broken(x.z);
}

__device__ inline float on_grid(float x) {
    return rintf(x * GRID) * (1.0f / GRID);
}

__device__ inline float3 on_grid(float3 x) {
    return make_float3(on_grid(x.x), on_grid(x.y), on_grid(x.z));
}

// x + way, rounded to the grid. Both summands are multiples of 1/GRID, and so is their sum. Products
// with powers of two are exact, so contraction to fma changes nothing.
__device__ inline Position moved_by(const Position& x, float3 way) {
    const Position sum = exact_sum(on_grid(xyz(x.high)), xyz(x.low) + on_grid(way));
    return {with_w(xyz(sum.high), x.high.w), with_w(xyz(sum.low), x.low.w)};
}

// Whether a bead may be at x: its coordinates are finite and below FARTHEST. The rounded sum is below
// FARTHEST only if the exact one is.
__device__ inline bool may_be_at(const Position& x, float3 origin) {
    const float3 at = xyz(x.high) + origin;
    const bool is_near = fabsf(at.x) < FARTHEST && fabsf(at.y) < FARTHEST && fabsf(at.z) < FARTHEST;
    return is_near && !any_broken(xyz(x.high)) && !any_broken(xyz(x.low));
}
