// neighbor_limit -- whether a bead has more neighbors than the model allows
//
//   n_i = |{ j in row i : |x_i - x_j| < radius }|
//   crowded[r] = max of crowd(i, n_i - max_neighbors) over the beads i of replica r
//                with n_i > max_neighbors
//
// For exact filters only: with tabulated filters, edges makes the same check.
//
// reads   bead, row [n_beads], col, position [n_beads] Å
// writes  status [n_replicas]   crowded
// grid    one block per row
// twin    neighbor_limit.wgsl, src/reference/network.rs
#import params
#import math
#import separation

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_limit(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
    u32* __restrict__ status) {
    __shared__ u32 within;

    const u32 i = workgroup_number();
    const u32 lane = threadIdx.x;
    if (lane == 0u) {
        within = 0u;
    }
    __syncthreads();
    if (i < params->n_beads) {
        const Position x = position[i];
        const uint2 here = row[i];
        u32 mine = 0u;
        for (u32 e = here.x + lane; e < here.y; e += WORKGROUP) {
            mine += length_of(separation(x, position[col[e]])) < params->radius ? 1u : 0u;
        }
        atomicAdd(&within, mine);
    }
    __syncthreads();
    const u32 n = within;
    if (lane == 0u && i < params->n_beads && n > params->max_neighbors) {
        const Bead me = bead[i];
        const u32 at = me.replica * STATUS_WORDS + STATUS_CROWDED;
        atomicMax(&status[at], crowd(i - me.first, n - params->max_neighbors));
    }
}
