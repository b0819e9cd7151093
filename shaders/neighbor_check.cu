// neighbor_check -- whether a replica's neighbor list must be rebuilt
//
//   rebuild[r] = max_i |x_i - x_i at the last build| > skin / 2
//
// reads   replica [n_replicas] (first bead, beads, number, -), position, built_at [n_beads] Å
// writes  status [n_replicas]   rebuild; broken = 1 + step at the first number that is not finite
// grid    one block per replica
// twin    neighbor_check.wgsl, src/reference/neighbor.rs
#import params
#import math

constexpr u32 WORKGROUP = 64u;
// (skin / 2)^2, Å^2
constexpr float REACH2 = 0.25f;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_check(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const float4* __restrict__ position,
    const float4* __restrict__ built_at,
    const u32* __restrict__ step_count,
    u32* __restrict__ status) {
    const u32 r = workgroup_number();
    bool far = false;
    bool broken = false;
    if (r < params->n_replicas) {
        const u32 first = replica[r].x;
        const u32 n = replica[r].y;
        for (u32 k = threadIdx.x; k < n; k += WORKGROUP) {
            const float3 x = xyz(position[first + k]);
            const float3 moved = x - xyz(built_at[first + k]);
            far = far || !(dot(moved, moved) <= REACH2);
            broken = broken || is_broken(x.x) || is_broken(x.y) || is_broken(x.z);
        }
    }
    const bool any_far = __syncthreads_or(far) != 0;
    const bool any_broken = __syncthreads_or(broken) != 0;
    if (threadIdx.x == 0u && r < params->n_replicas) {
        u32* own = status + r * STATUS_WORDS;
        own[STATUS_REBUILD] = any_far ? 1u : 0u;
        if (any_broken && own[STATUS_BROKEN] == 0u) {
            own[STATUS_BROKEN] = step_count[0] + 1u;
        }
        if (any_far) {
            own[STATUS_BUILDS] += 1u;
        }
    }
}
