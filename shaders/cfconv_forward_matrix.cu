// cfconv_forward_matrix -- cfconv_forward with the filter networks on tensor cores
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W = C(d) filter1 act(filter0 B(d) + b0)
//
// Weights and the hidden layer are f16. Each value of the basis is the sum of two f16, because sums
// of the first layer are small remainders of much larger terms. Products are summed in f32. A warp
// holds its columns of both layers in registers for all rows of its block, and computes the hidden
// layer from sums in its own registers. The kernel first collects the neighbors of a row that are
// within the cutoff, then processes TILE of them at a time; each half of the warps multiplies one
// matrix of edges.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, quads of filters],
//         halves: matrices of filter0, then of filter1, each layer times a power of two,
//         numbers: 1 / these powers; bias of filter0; alternating quads of centers and of
//         sharpnesses
// writes  m [n_beads, quads of filters]   overwritten; no atomics; each warp sums every
//         SUBGROUPS-th neighbor within the cutoff in order, then the sums of the warps are added in
//         order
// grid    one block per ROWS beads; a warp gathers an edge, a thread a quad of channels
// twin    cfconv_forward_matrix.wgsl, src/reference/cfconv.rs
#import params
#import near
#import separation
#import matrix

constexpr u32 WORKGROUP = 512u;
constexpr u32 SUBGROUPS = WORKGROUP / 32u;
// Rows of a block, processed one after the other.
constexpr u32 ROWS = 4u;
// Edges of a tile: two matrices of 16.
constexpr u32 TILE = 32u;
constexpr u32 PER_LANE = 2u;
// Quads of four channels, as in memory.
constexpr u32 QUADS = 32u;
// Channels and radial functions, in whole matrices of 16.
constexpr u32 FILTER_MATRICES = 8u;
constexpr u32 RBF_MATRICES = 4u;
// Threads that share the functions of an edge, four functions each.
constexpr u32 BASIS_LANES = 16u;
static_assert(PER_LANE * SUBGROUPS == TILE && TILE == 32u && SUBGROUPS >= 2u * FILTER_MATRICES);
static_assert(QUADS <= 32u && BASIS_LANES <= 32u);
static_assert(4u * FILTER_MATRICES >= QUADS && BASIS_LANES >= 4u * RBF_MATRICES);

// Quads from one row to the next. The padding puts rows into different banks of shared memory.
constexpr u32 BASIS_STRIDE = 4u * RBF_MATRICES + 2u;
constexpr u32 HIDDEN_STRIDE = 4u * FILTER_MATRICES + 2u;
constexpr u32 SUM_STRIDE = 4u * FILTER_MATRICES + 2u;
// Offset of the low parts of the basis.
constexpr u32 LOW = TILE * BASIS_STRIDE;
// Offset of filter1 in `halves`; offsets of the bias and the functions in `numbers`.
constexpr u32 FILTER1 = 64u * RBF_MATRICES * FILTER_MATRICES;
constexpr u32 BIAS = 1u;
constexpr u32 FUNCTIONS = BIAS + 4u * FILTER_MATRICES;

// List entries checked against the cutoff at a time; slots for neighbors that wait for a full tile.
constexpr u32 SEGMENT = 256u;
constexpr u32 WORDS = 8u;
constexpr u32 SLOTS = SEGMENT + TILE;
static_assert(SEGMENT == 32u * WORDS && SEGMENT <= WORKGROUP);

constexpr u32 SUMS = TILE * SUM_STRIDE > WORKGROUP ? TILE * SUM_STRIDE : WORKGROUP;

// The column of matrices of a warp. Surplus warps repeat the work of the last column.
__device__ inline u32 column_of(u32 lane) {
    return min(lane / 32u % (SUBGROUPS / 2u), FILTER_MATRICES - 1u);
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_forward_matrix(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
    const float4* __restrict__ y,
    const uint2* __restrict__ halves,
    const float4* __restrict__ numbers,
    float4* __restrict__ m) {
    // A bit for each entry of a segment that is within the cutoff.
    __shared__ u32 near[WORDS];
    // Neighbor r is in slot r % SLOTS: index of the sender; bits of C of the convolution, of C of
    // the basis, and of t.
    __shared__ uint4 edges[SLOTS];
    // The basis [edge, function] and its low parts; the hidden layer [edge, channel].
    __shared__ __align__(16) uint2 basis[2u * LOW];
    __shared__ __align__(16) uint2 hidden[TILE * HIDDEN_STRIDE];
    // The sums of the second layer [edge, channel], at the end the sums of all threads.
    __shared__ float4 sums[SUMS];

    const u32 lane = threadIdx.x;
    const u32 warp = lane / 32u;
    const u32 q = lane % 32u;
    // Each half of the warps takes one of the two matrices of edges.
    const u32 column = column_of(lane);
    const u32 half = 2u * lane / WORKGROUP;
    // The columns of this warp of both layers, one matrix per 16 inputs.
    Weight into[RBF_MATRICES];
    Weight out[FILTER_MATRICES];
#pragma unroll
    for (u32 k = 0u; k < RBF_MATRICES; k++) {
        into[k] = weight_at(halves, 64u * (k * FILTER_MATRICES + column), lane);
    }
#pragma unroll
    for (u32 k = 0u; k < FILTER_MATRICES; k++) {
        out[k] = weight_at(halves, FILTER1 + 64u * (k * FILTER_MATRICES + column), lane);
    }
    const float4 unscale = numbers[0];
    // Bias of the columns of the sums that this thread holds.
    const float2* biases = reinterpret_cast<const float2*>(numbers + BIAS + 4u * column);
    const float2 bias[2] = {biases[lane % 4u], biases[4u + lane % 4u]};
    const u32 function = lane % BASIS_LANES;
    const u32 functions = FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u);
    const float4 center = numbers[functions];
    const float4 sharpness = numbers[functions + 1u];

    for (u32 r = 0u; r < ROWS; r++) {
        const u32 i = workgroup_number() * ROWS + r;
        const uint2 here = i < params->n_beads ? row[i] : make_uint2(0u, 0u);
        float4 message = four(0.0f);
        u32 found = 0u;
        u32 done = 0u;
        for (u32 first = here.x; first < here.y; first += SEGMENT) {
            uint4 edge = make_uint4(0u, 0u, 0u, 0u);
            float d = RADIUS;
            if (lane < SEGMENT && first + lane < here.y) {
                edge.x = col[first + lane];
                d = length_of(separation(position[i], position[edge.x]));
            }
            const u32 bits = __ballot_sync(~0u, d < RADIUS);
            if (q == 0u && warp < WORDS) {
                near[warp] = bits;
            }
            __syncthreads();
            u32 at = found + __popc(bits & ((1u << q) - 1u));
#pragma unroll
            for (u32 w = 0u; w < WORDS; w++) {
                const u32 count = __popc(near[w]);
                found += count;
                if (w < warp) {
                    at += count;
                }
            }
            if (d < RADIUS) {
                const EdgeBasis of_basis = edge_basis(d);
                edge.y = bits_of(conv_envelope(d).x);
                edge.z = bits_of(of_basis.envelope.x);
                edge.w = bits_of(of_basis.coordinate.x);
                edges[at % SLOTS] = edge;
            }
            __syncthreads();
            const bool last = first + SEGMENT >= here.y;
            for (; done + TILE <= found || (last && done < found); done += TILE) {
                for (u32 t = lane / BASIS_LANES; t < TILE; t += WORKGROUP / BASIS_LANES) {
                    float4 value = four(0.0f);
                    if (done + t < found) {
                        const uint4 edge = edges[(done + t) % SLOTS];
                        value = radial_near(
                            float_of_bits(edge.z), float_of_bits(edge.w), center, sharpness);
                    }
                    if (function < 4u * RBF_MATRICES) {
                        uint2* at = basis + t * BASIS_STRIDE + function;
                        keep(value, at, at + LOW);
                    }
                }
                __syncthreads();
                Sum sum = {};
                Sum rest = {};
#pragma unroll
                for (u32 k = 0u; k < RBF_MATRICES; k++) {
                    const uint2* at = basis + half * 16u * BASIS_STRIDE + 4u * k;
                    sum = multiply_add(rows_at(at, BASIS_STRIDE, lane), into[k], sum);
                    rest = multiply_add(rows_at(at + LOW, BASIS_STRIDE, lane), into[k], rest);
                }
                sum = plus(sum, rest);
                // Loaded early, to hide the latency of memory.
                float factor[PER_LANE];
                float4 theirs[PER_LANE];
#pragma unroll
                for (u32 k = 0u; k < PER_LANE; k++) {
                    const u32 t = warp + k * SUBGROUPS;
                    factor[k] = 0.0f;
                    theirs[k] = four(0.0f);
                    if (done + t < found) {
                        const uint4 edge = edges[(done + t) % SLOTS];
                        factor[k] = unscale.y * float_of_bits(edge.y);
                        theirs[k] = y[edge.x * QUADS + min(q, QUADS - 1u)];
                    }
                }
#pragma unroll
                for (u32 c = 0u; c < 2u; c++) {
#pragma unroll
                    for (u32 g = 0u; g < 2u; g++) {
                        const float2 s = make_float2(
                            fmaf(sum.at[c][g].x, unscale.x, bias[c].x),
                            fmaf(sum.at[c][g].y, unscale.x, bias[c].y));
                        put_halves(
                            make_float2(act_near(s.x), act_near(s.y)), c, g,
                            hidden + half * 16u * HIDDEN_STRIDE + 4u * column, HIDDEN_STRIDE, lane);
                    }
                }
                __syncthreads();
                sum = {};
#pragma unroll
                for (u32 k = 0u; k < FILTER_MATRICES; k++) {
                    const uint2* at = hidden + half * 16u * HIDDEN_STRIDE + 4u * k;
                    sum = multiply_add(rows_at(at, HIDDEN_STRIDE, lane), out[k], sum);
                }
                put(sum, sums + half * 16u * SUM_STRIDE + 4u * column, SUM_STRIDE, lane);
                __syncthreads();
#pragma unroll
                for (u32 k = 0u; k < PER_LANE; k++) {
                    const u32 t = warp + k * SUBGROUPS;
                    const float4 g = sums[t * SUM_STRIDE + min(q, QUADS - 1u)];
                    message = fma(factor[k] * g, theirs[k], message);
                }
            }
        }
        __syncthreads();
        sums[lane] = message;
        __syncthreads();
        if (lane < QUADS && i < params->n_beads) {
            float4 total = four(0.0f);
            for (u32 s = 0u; s < SUBGROUPS; s++) {
                total += sums[32u * s + lane];
            }
            m[i * QUADS + lane] = total;
        }
    }
}
