// neighbor_check -- recenters a replica, and decides whether its neighbor list must be rebuilt
//
//   s = round(x_first) if a coordinate of the first bead is beyond RECENTER, else 0
//   x_i -= s, origin += s
//   rebuild = s != 0 or max_i |x_i - x_i at the last build| > skin / 2
//
// The decision depends only on the state of the replica and is made at every force evaluation. A
// run that is split or restarted therefore gives the same bits. s is a whole number, so the shift
// is exact.
//
// reads   replica [n_replicas] (first bead, beads, number, -), built_at [n_beads] Å, step_count
// writes  position [n_beads] Å, origin [n_replicas] Å,
//         status [n_replicas]   rebuild, builds; broken, and the number of steps done when it was
//         first seen
// grid    one block per replica
// twin    neighbor_check.wgsl, src/reference/neighbor.rs
#import params
#import math
#import separation

constexpr u32 WORKGROUP = 64u;
// (skin / 2)^2, Å^2
constexpr float REACH2 = 0.25f;
// Å
constexpr float RECENTER = 64.0f;
// A replica is broken if a coordinate of a bead, origin included, is beyond this, Å.
constexpr float FARTHEST = 1048576.0f;

// A bit next to NOT_FINITE and TOO_FAR: the list must be rebuilt.
constexpr u32 MOVED = 4u;

__device__ inline Position recentered(const Position& x, float3 by) {
    const Position moved = exact_sum(xyz(x.high), -by);
    const Position sum = exact_sum(xyz(moved.high), xyz(moved.low) + xyz(x.low));
    return {with_w(xyz(sum.high), x.high.w), with_w(xyz(sum.low), x.low.w)};
}

// Whether a coordinate is beyond a limit; false for NaN.
__device__ inline bool beyond(float3 x, float limit) {
    return fabsf(x.x) > limit || fabsf(x.y) > limit || fabsf(x.z) > limit;
}

__device__ inline bool is_broken(float3 x) {
    return is_broken(x.x) || is_broken(x.y) || is_broken(x.z);
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_check(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ built_at,
    const u32* __restrict__ step_count,
    Position* __restrict__ position,
    float4* __restrict__ origin,
    u32* __restrict__ status) {
    const u32 r = workgroup_number();
    const u32 lane = threadIdx.x;
    const bool inside = r < params->n_replicas;
    const uint4 own = replica[min(r, params->n_replicas - 1u)];
    const float3 before = xyz(origin[min(r, params->n_replicas - 1u)]);
    const float3 first = xyz(position[own.x].high);
    const bool recenters = beyond(first, RECENTER) && !is_broken(first);
    const float3 by =
        recenters ? make_float3(rintf(first.x), rintf(first.y), rintf(first.z)) : three(0.0f);
    u32 mine = recenters ? MOVED : 0u;
    if (inside) {
        for (u32 i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            const Position x = position[i];
            const float3 moved = separation(x, built_at[i]);
            mine |= dot(moved, moved) <= REACH2 ? 0u : MOVED;
            const float3 at = xyz(x.high);
            if (is_broken(at)) {
                mine |= NOT_FINITE;
            } else if (beyond(at + before, FARTHEST)) {
                mine |= TOO_FAR;
            }
        }
    }
    const bool any_moved = __syncthreads_or((mine & MOVED) != 0u) != 0;
    const bool any_not_finite = __syncthreads_or((mine & NOT_FINITE) != 0u) != 0;
    const bool any_too_far = __syncthreads_or((mine & TOO_FAR) != 0u) != 0;
    // The barrier above ensures that all threads have read the first bead before its position
    // changes.
    if (recenters && inside) {
        for (u32 i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            position[i] = recentered(position[i], by);
        }
    }
    if (lane == 0u && inside) {
        if (recenters) {
            origin[r] = with_w(before + by, 0.0f);
        }
        u32* word = status + r * STATUS_WORDS;
        word[STATUS_REBUILD] = any_moved ? 1u : 0u;
        const u32 broken = (any_not_finite ? NOT_FINITE : 0u) | (any_too_far ? TOO_FAR : 0u);
        if (broken != 0u && word[STATUS_BROKEN] == 0u) {
            word[STATUS_BROKEN] = broken;
            word[STATUS_BROKEN_AT] = step_count[0];
            word[STATUS_BROKEN_AT + 1u] = step_count[1];
        }
        if (any_moved) {
            word[STATUS_BUILDS] += 1u;
            if (word[STATUS_BUILDS] == 0u) {
                word[STATUS_BUILDS + 1u] += 1u;
            }
        }
    }
}
