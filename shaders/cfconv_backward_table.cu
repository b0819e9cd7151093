// cfconv_backward_table -- cfconv_backward with tabulated filters
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// W and W' come from the same cubics, so the force is the gradient of the tabulated energy.
//
// reads   reach [n_beads], edge, position [n_beads] Å, y and grad_m [n_beads, QUADS],
//         table [n_intervals + 1, 2 or 3, QUADS]
// writes  grad_y [n_beads, QUADS]   overwritten if WITH_GRAD;
//         force [2, n_beads]   slow range: added to
// grid    SPLIT groups of LANES threads per row; a thread has four channels; order of the sums:
//         lib/row, then over the channels in a tree of fixed shape
// twin    cfconv_backward_table.wgsl, src/reference/cfconv.rs
#import params
#import separation

constexpr u32 WORKGROUP = 256u;
// Edges loaded together. Their products with gradients are summed in the format of products in
// lib/stored, f32 or f16.
constexpr u32 TOGETHER = 2u;
// Whether to compute grad_y: features before the first block do not depend on the positions.
constexpr bool WITH_GRAD = true;

#import row
#import filter_table_read
#import edge_share

static_assert(LANES % TOGETHER == 0u, "a tile is walked along in whole steps");

// Threads that share the sum of a row's force over the channels.
constexpr u32 FEW = LANES < 4u ? LANES : 4u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_backward_table(
    const Params* __restrict__ params,
    const uint4* __restrict__ reach,
    const uint2* __restrict__ edge,
    const Position* __restrict__ position,
    const Stored* __restrict__ y,
    const Stored* __restrict__ grad_m,
    const Coefficients* __restrict__ table,
    float4* __restrict__ grad_y,
    float4* __restrict__ force) {
    // An edge of each thread, and the direction of the edge.
    __shared__ SharedEdge shared[WORKGROUP];
    __shared__ float4 direction[WORKGROUP];
    // The gradient of each thread, then the force of each thread.
    __shared__ float4 part[2u * WORKGROUP];
    // Positions of the rows, here to save registers in the loop.
    __shared__ Position row_position[ROWS];

    const u32 lane = threadIdx.x;
    const u32 group = lane / LANES;
    const u32 first_row = workgroup_number() * ROWS;
    const u32 i = first_row + group / SPLIT;
    const u32 mine = group % SPLIT;
    const bool inside = i < params->n_beads;
    const u32 me = min(i, params->n_beads - 1u);
    if (lane % (LANES * SPLIT) == 0u) {
        row_position[lane / (LANES * SPLIT)] = position[me];
    }
    __syncthreads();
    const uint4 here = inside ? reach[i] : make_uint4(0u, 0u, 0u, 0u);
    const u32 length = segment_length(here);
    const u32 longest = longest_segment(length);
    float4 total = four(0.0f);
    for (u32 slab = 0u; slab < QUADS; slab += LANES) {
        const u32 q = slab + lane % LANES;
        const u32 channels = min(q, QUADS - 1u);
        const Real4 y_i = loaded(y[me * QUADS + channels]);
        const Real4 grad_i = loaded(grad_m[me * QUADS + channels]);
        float4 gradient = four(0.0f);
        float3 push = three(0.0f);
        for (u32 k = 0u; k < PER_GROUP; k++) {
            const uint2 ends = segment(here, mine * PER_GROUP + k);
            float4 gradients = four(0.0f);
            float3 pushes = three(0.0f);
            for (u32 tile = 0u; tile < longest; tile += LANES) {
                const uint2 own = edge_or_nothing(edge, ends.x + tile + lane % LANES, ends.y);
                const float3 between = separation(row_position[group / SPLIT], position[sender(params, here.z, own)]);
                // The floor makes the direction 0 for beads at the same position.
                const float inverse = rsqrtf(fmaxf(dot(between, between), 1e-8f));
                shared[lane] = shared_of(params, here.z, own);
                direction[lane] = with_w(inverse * between, 0.0f);
                __syncwarp();
                // `longest` bounds the loop; segments of this row may be shorter.
                const u32 n = min(max(length, tile) - tile, LANES);
                for (u32 e = group * LANES; e < group * LANES + n; e += TOGETHER) {
                    Real4 few = {};
#pragma unroll
                    for (u32 next = 0u; next < TOGETHER; next++) {
                        const SharedEdge found = shared[e + next];
                        const Real4 y_j = loaded(y[found.features + channels]);
                        const Real4 grad_j = loaded(grad_m[found.features + channels]);
                        const u32 at = found.coefficients + channels;
                        const Jet w = value_and_slope(params, coefficients(table, at, found.t));
                        const float pull = dot_of(w.slope, fma(y_j, grad_i, y_i * grad_j));
                        pushes = fma(three(-pull), xyz(direction[e + next]), pushes);
                        if (WITH_GRAD) {
                            few = fma(w.value, grad_j, few);
                        }
                    }
                    gradients += widened(few);
                }
                __syncwarp();
            }
            gradient += gradients;
            push += pushes;
        }
        if (q >= QUADS) {
            push = three(0.0f);
        }
        part[lane] = gradient;
        part[WORKGROUP + lane] = with_w(push, 0.0f);
        __syncthreads();
        if (mine == 0u) {
            if (WITH_GRAD && q < QUADS && inside) {
                grad_y[i * QUADS + q] = joined(part + lane);
            }
            // No other thread reads this element.
            part[WORKGROUP + lane] = joined(part + WORKGROUP + lane);
        }
        __syncwarp();
        if (mine == 0u && lane % LANES < FEW) {
            float4 sum = part[WORKGROUP + lane];
            for (u32 k = FEW; k < LANES; k += FEW) {
                sum += part[WORKGROUP + lane + k];
            }
            part[lane] = sum;
        }
        __syncwarp();
        if (mine == 0u && lane % LANES == 0u) {
            for (u32 k = 0u; k < FEW; k++) {
                total += part[lane + k];
            }
        }
        __syncthreads();
    }
    if (mine == 0u && lane % LANES == 0u && inside) {
        force[slow(params, i)] += params->gradient_unit * total;
    }
}
