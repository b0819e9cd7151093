// edges -- the edges within the cutoff, and where their filters stand in the tables
//
//   edge = (j, interval; t),  d_ij = middle of the interval + t,  for d_ij < radius
//
// Once per step: every block reads its filters there. Rows keep the order of the neighbor list,
// without the pairs between cutoff and skin, so that sums do not know of them.
//
// reads   row [n_beads], col, bead, position [n_beads] Å, head of the filter tables
// writes  edge [n_replicas, capacity], reach [n_beads] (first edge, end, first bead of the replica)
// grid    one block per row; a tile of edges at a time
// twin    src/model/filter_table.rs
#import params
#import math
#import filter_table
#import edge

constexpr u32 WORKGROUP = 64u;
constexpr u32 WORDS = WORKGROUP / 32u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) edges(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Bead* __restrict__ bead,
    const float4* __restrict__ position,
    const float4* __restrict__ head,
    uint2* __restrict__ edge,
    uint4* __restrict__ reach) {
    // A bit for each edge of the tile that is within the cutoff.
    __shared__ u32 within[WORDS];

    const u32 lane = threadIdx.x;
    const u32 i = workgroup_number();
    const uint2 here = i < params->n_beads ? row[i] : make_uint2(0u, 0u);
    const u32 me = min(i, params->n_beads - 1u);
    const u32 first = bead[me].first;
    const float3 x = xyz(position[me]);
    u32 end = here.x;
    for (u32 tile = here.x; tile < here.y; tile += WORKGROUP) {
        uint2 found = make_uint2(0u, 0u);
        bool near = false;
        if (tile + lane < here.y) {
            const u32 j = col[tile + lane];
            const float d = length_of(x - xyz(position[j]));
            near = d < RADIUS;
            if (near) {
                float4 stretch = head[0];
                for (u32 k = 1u; k < STRETCHES; k++) {
                    if (d >= head[k].x) {
                        stretch = head[k];
                    }
                }
                const Place at = place(head, stretch, d);
                found = edge_of(j - first, at.interval, at.t);
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
    }
}
