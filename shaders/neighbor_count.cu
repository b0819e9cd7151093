// neighbor_count -- the number of list neighbors of each bead, for replicas that rebuild
//
//   count_i = |{ j != i : |x_i - x_j| < radius + skin }|
//
// reads   replica [n_replicas], bead, position [n_beads] Å, status [n_replicas]   rebuild
// writes  count [n_beads]
// grid    one block per ROWS beads; the sums are of integers, so their order does not matter
// twin    neighbor_count.wgsl, src/reference/neighbor.rs
#import params
#import separation

// One warp, which sums without barriers.
constexpr u32 WORKGROUP = 32u;
// Beads of a block, processed one after the other: most blocks have nothing to do.
constexpr u32 ROWS = 1u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_count(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const Position* __restrict__ position,
    const u32* __restrict__ status,
    u32* __restrict__ count) {
    static_assert(WORKGROUP == 32u, "one warp");
    for (u32 k = 0u; k < ROWS; k++) {
        const u32 i = workgroup_number() * ROWS + k;
        if (i >= params->n_beads) {
            break;
        }
        const Bead me = bead[i];
        if (status[me.replica * STATUS_WORDS + STATUS_REBUILD] == 0u) {
            continue;
        }
        const u32 end = me.first + replica[me.replica].y;
        const Position x = position[i];
        u32 near = 0u;
        for (u32 j = me.first + threadIdx.x; j < end; j += WORKGROUP) {
            const float square = square_of(separation(x, position[j]));
            near += j != i && square < params->list2 ? 1u : 0u;
        }
        near = warp_sum(near);
        if (threadIdx.x == 0u) {
            count[i] = near;
        }
    }
}
