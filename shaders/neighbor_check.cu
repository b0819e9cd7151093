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
// A bead that integrate_begin marked raises an alarm, and its mark is removed.
//
// reads   replica [n_replicas] (first bead, beads, number, -), built_at [n_beads] Å
// writes  position [n_beads] Å, walker [n_replicas] (origin, alarm),
//         status [n_replicas]   rebuild, builds
// grid    one block per replica
// twin    neighbor_check.wgsl, src/reference/neighbor.rs
#import params
#import walker
#import separation

constexpr u32 WORKGROUP = 64u;
// (skin / 2)^2, Å^2
constexpr float REACH2 = 0.25f;
// Å
constexpr float RECENTER = 64.0f;

__device__ inline Position recentered(const Position& x, float3 by) {
    const Position moved = exact_sum(xyz(x.high), -by);
    const Position sum = exact_sum(xyz(moved.high), xyz(moved.low) + xyz(x.low));
    return {with_w(xyz(sum.high), x.high.w), with_w(xyz(sum.low), x.low.w)};
}

// Whether a coordinate is beyond a limit.
__device__ inline bool beyond(float3 x, float limit) {
    return fabsf(x.x) > limit || fabsf(x.y) > limit || fabsf(x.z) > limit;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_check(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ built_at,
    Position* __restrict__ position,
    Walker* __restrict__ walker,
    u32* __restrict__ status) {
    const u32 r = workgroup_number();
    const u32 lane = threadIdx.x;
    const bool inside = r < params->n_replicas;
    const uint4 own = replica[min(r, params->n_replicas - 1u)];
    const float3 first = xyz(position[own.x].high);
    const bool recenters = beyond(first, RECENTER);
    const float3 by =
        recenters ? make_float3(rintf(first.x), rintf(first.y), rintf(first.z)) : three(0.0f);
    bool mine = recenters;
    if (inside) {
        for (u32 i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            const Position x = position[i];
            const float3 moved = separation(x, built_at[i]);
            mine = mine || !(dot(moved, moved) <= REACH2);
            if (x.low.w != 0.0f) {
                position[i].low.w = 0.0f;
                atomicMin(&walker[r].alarm, alarm_of(i - own.x, POSITION));
            }
        }
    }
    const bool any_moved = __syncthreads_or(mine) != 0;
    // The barrier above ensures that all threads have read the first bead before its position
    // changes.
    if (recenters && inside) {
        for (u32 i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            position[i] = recentered(position[i], by);
        }
    }
    if (lane == 0u && inside) {
        if (recenters) {
            walker[r].origin = walker[r].origin + by;
        }
        u32* word = status + r * STATUS_WORDS;
        word[STATUS_REBUILD] = any_moved ? 1u : 0u;
        if (any_moved) {
            word[STATUS_BUILDS] += 1u;
            if (word[STATUS_BUILDS] == 0u) {
                word[STATUS_BUILDS + 1u] += 1u;
            }
        }
    }
}
