// edges -- the edges within the cutoff, and the place of their filters in the tables
//
//   edge = (j, interval; t),  d_ij = middle of the interval + t,  for d_ij < radius
//
// This kernel runs once per force evaluation; every block of the network reads its result. Rows
// keep the order of the neighbor list but drop the pairs between cutoff and skin, so that sums over
// a row do not depend on those pairs.
//
// reads   row [n_beads], col, bead, position [n_beads] Å, head of the filter tables
// writes  edge [n_replicas, capacity], reach [n_beads] (first edge, end, first bead of the
//         replica);
//         status [n_replicas]   crowded, where a bead has more than max_neighbors neighbors
// grid    one block per row; a tile of edges at a time
// twin    edges.wgsl, src/model/filter_table.rs
#import params
#import math
#import separation
#import filter_table
#import edge

constexpr u32 WORKGROUP = 64u;
constexpr u32 WORDS = WORKGROUP / 32u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) edges(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Bead* __restrict__ bead,
    const Position* __restrict__ position,
    const float4* __restrict__ head,
    uint2* __restrict__ edge,
    uint4* __restrict__ reach,
    u32* __restrict__ status) {
    // A bit for each edge of the tile that is within the cutoff.
    __shared__ u32 within[WORDS];

    const u32 lane = threadIdx.x;
    const u32 i = workgroup_number();
    const uint2 here = i < params->n_beads ? row[i] : make_uint2(0u, 0u);
    const u32 me = min(i, params->n_beads - 1u);
    const u32 first = bead[me].first;
    const Position x = position[me];
    u32 end = here.x;
    for (u32 tile = here.x; tile < here.y; tile += WORKGROUP) {
        uint2 found = make_uint2(0u, 0u);
        bool near = false;
        if (tile + lane < here.y) {
            const u32 j = col[tile + lane];
            const float d = length_of(separation(x, position[j]));
            near = d < params->radius;
            if (near) {
                float4 stretch = head[0];
                for (u32 k = 1u; k < STRETCHES; k++) {
                    if (d >= head[k].x) {
                        stretch = head[k];
                    }
                }
                const Place at = place(head, stretch, d);
                found = edge_of(params, j - first, at.interval, at.t * params->t_per_angstrom);
            }
        }
        const u32 bits = __ballot_sync(~0u, near);
        if (lane % 32u == 0u) {
            within[lane / 32u] = bits;
        }
        __syncthreads();
        u32 before = end + __popc(bits & ((1u << (lane % 32u)) - 1u));
        for (u32 word = 0u; word < WORDS; word++) {
            const u32 count = __popc(within[word]);
            end += count;
            if (word < lane / 32u) {
                before += count;
            }
        }
        if (near) {
            edge[before] = found;
        }
        __syncthreads();
    }
    if (lane == 0u && i < params->n_beads) {
        reach[i] = make_uint4(here.x, end, first, 0u);
        const u32 n = end - here.x;
        if (n > params->max_neighbors) {
            const u32 at = bead[i].replica * STATUS_WORDS + STATUS_CROWDED;
            atomicMax(&status[at], crowd(i - first, n - params->max_neighbors));
        }
    }
}
