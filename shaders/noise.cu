// noise -- the standard normal numbers of a step
//
//   xi = normal3(counter (bead, replica, step), key seed)
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead [n_beads], step_count
// writes  xi [n_beads]   overwritten
// grid    one thread per bead
// twin    noise.wgsl, src/random.rs
#import params
#import random

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) noise(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const u32* __restrict__ step_count,
    float4* __restrict__ xi) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i >= params->n_beads) {
        return;
    }
    const u32 number = replica[bead[i].replica].z;
    const uint4 counter = make_uint4(i - bead[i].first, number, step_count[0], step_count[1]);
    xi[i] = with_w(normal3(counter, make_uint2(params->seed_low, params->seed_high)), 0.0f);
}
