// neighbor_count -- how many beads lie near each bead of the replicas that rebuild
//
//   count_i = |{ j != i : |x_i - x_j| < radius + skin }|
//
// reads   replica [n_replicas], bead, position [n_beads] Å
// writes  count [n_beads]; status: the largest number of neighbors within the radius itself
// grid    one block for ROWS beads; whole numbers, so that the order of the sums does not matter
// twin    neighbor_count.wgsl, src/reference/neighbor.rs
#import params

// A warp, which sums without a barrier.
constexpr u32 WORKGROUP = 32u;
// Beads of a block, one after the other: most blocks have nothing to do.
constexpr u32 ROWS = 1u;
// (radius + skin)^2 and radius^2, Å^2
constexpr float LIST2 = 256.0f;
constexpr float RADIUS2 = 225.0f;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_count(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const float4* __restrict__ position,
    u32* __restrict__ status,
    u32* __restrict__ count) {
    static_assert(WORKGROUP == 32u, "one warp");
    for (u32 k = 0u; k < ROWS; k++) {
        const u32 i = workgroup_number() * ROWS + k;
        if (i >= params->n_beads) {
            break;
        }
        const Bead me = bead[i];
        // Written by no block of this kernel, so that all lanes agree.
        if (status[me.replica * STATUS_WORDS + STATUS_REBUILD] == 0u) {
            continue;
        }
        const u32 end = me.first + replica[me.replica].y;
        const float3 x = xyz(position[i]);
        u32 near = 0u;
        u32 within = 0u;
        for (u32 j = me.first + threadIdx.x; j < end; j += WORKGROUP) {
            const float square = square_of(x - xyz(position[j]));
            near += j != i && square < LIST2 ? 1u : 0u;
            within += j != i && square < RADIUS2 ? 1u : 0u;
        }
        near = __reduce_add_sync(0xffffffffu, near);
        within = __reduce_add_sync(0xffffffffu, within);
        if (threadIdx.x == 0u) {
            count[i] = near;
            atomicMax(&status[me.replica * STATUS_WORDS + STATUS_CROWDED], within);
        }
    }
}
