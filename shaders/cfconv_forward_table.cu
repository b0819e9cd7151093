// cfconv_forward_table -- cfconv_forward with tabulated filters
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W_f a cubic in each interval of d
//
// For each edge and channel the kernel reads four coefficients and y_j. For an edge GPU memory
// holds only the sender and the place in the table. A group takes LANES edges of a segment at a
// time.
// Groups lie within warps, so only the sum over the segments of a row needs a barrier of the block.
//
// reads   reach [n_beads], edge, y [n_beads, QUADS], table [n_intervals + 1, 2 or 3, QUADS]
// writes  m [n_beads, QUADS]   overwritten; no atomics; order of the sums: lib/row
// grid    SPLIT groups of LANES threads per row; a thread has four channels
// twin    cfconv_forward_table.wgsl, src/reference/cfconv.rs
#import params

constexpr u32 WORKGROUP = 256u;
// Edges loaded together.
constexpr u32 TOGETHER = 2u;

#import row
#import filter_table_read
#import edge_share

static_assert(LANES % TOGETHER == 0u, "a tile is walked along in whole steps");

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_forward_table(
    const Params* __restrict__ params,
    const uint4* __restrict__ reach,
    const uint2* __restrict__ edge,
    const float4* __restrict__ y,
    const Coefficients* __restrict__ table,
    float4* __restrict__ m) {
    // An edge of each thread; the sum of each thread.
    __shared__ SharedEdge shared[WORKGROUP];
    __shared__ float4 part[WORKGROUP];

    const u32 lane = threadIdx.x;
    const u32 group = lane / LANES;
    const u32 first_row = workgroup_number() * ROWS;
    const u32 i = first_row + group / SPLIT;
    const u32 mine = group % SPLIT;
    const uint4 here = i < params->n_beads ? reach[i] : make_uint4(0u, 0u, 0u, 0u);
    const u32 length = segment_length(here);
    const u32 longest = longest_segment(length);
    for (u32 slab = 0u; slab < QUADS; slab += LANES) {
        const u32 q = slab + lane % LANES;
        const u32 channels = min(q, QUADS - 1u);
        float4 message = four(0.0f);
        for (u32 k = 0u; k < PER_GROUP; k++) {
            const uint2 ends = segment(here, mine * PER_GROUP + k);
            float4 sum = four(0.0f);
            for (u32 tile = 0u; tile < longest; tile += LANES) {
                const uint2 own = edge_or_nothing(edge, ends.x + tile + lane % LANES, ends.y);
                shared[lane] = shared_of(params, here.z, own);
                __syncwarp();
                // `longest` bounds the loop; segments of this row may be shorter.
                const u32 n = min(max(length, tile) - tile, LANES);
                for (u32 e = group * LANES; e < group * LANES + n; e += TOGETHER) {
#pragma unroll
                    for (u32 next = 0u; next < TOGETHER; next++) {
                        const SharedEdge found = shared[e + next];
                        const u32 at = found.coefficients + channels;
                        const float4 w = value(params, coefficients(table, at, found.t));
                        sum = fma(w, y[found.features + channels], sum);
                    }
                }
                __syncwarp();
            }
            message += sum;
        }
        part[lane] = message;
        __syncthreads();
        if (mine == 0u && q < QUADS && i < params->n_beads) {
            m[i * QUADS + q] = joined(part + lane);
        }
        __syncthreads();
    }
}
