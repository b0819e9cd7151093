// cfconv_forward -- sum of filtered neighbor features per bead ("flash message passing",
//                   "flash aggregation")
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W = C(d) filter1 act(filter0 B(d) + b0)
//
// The filter of a tile of edges lives in shared memory and registers; no edge has a feature in
// GPU memory. Weights are given column by column.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, STRIDE], weights: columns of
//         filter0, its bias, columns of filter1, (center, sharpness) of the N_RBF functions
// writes  m [n_beads, STRIDE]   overwritten; no atomics; summation order = order of the row
// grid    one block per bead; a thread owns its channels over the whole row
// twin    src/reference/cfconv.rs
#import params
#import radial
#import activation

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_FILTERS = 128u;
// Channels of a row in memory: whole fours.
constexpr u32 STRIDE = 128u;
constexpr u32 N_RBF = 64u;
// Edges of a tile, in fours; channels of a thread.
constexpr u32 QUADS = 4u;
constexpr u32 TILE = 16u;
constexpr u32 CHANNELS = 2u;
static_assert(TILE == 4u * QUADS);
static_assert(WORKGROUP * CHANNELS >= N_FILTERS);
static_assert(WORKGROUP >= TILE);

constexpr u32 BIAS = N_RBF * N_FILTERS;
constexpr u32 FILTER1 = BIAS + N_FILTERS;
constexpr u32 FUNCTIONS = FILTER1 + N_FILTERS * N_FILTERS;

__shared__ EdgeBasis edges[TILE];
// C(d), 0 for what is no neighbor.
__shared__ float factor[TILE];
__shared__ u32 sender[TILE];
// [function, edge / 4] and [channel, edge / 4].
__shared__ float4 basis[N_RBF * QUADS];
__shared__ float4 hidden[N_FILTERS * QUADS];

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_forward(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const float4* __restrict__ position,
    const float* __restrict__ y,
    const float* __restrict__ weights,
    float* __restrict__ m) {
    const u32 lane = threadIdx.x;
    const u32 i = workgroup_number();
    if (i >= params->n_beads) {
        return;
    }
    const uint2 here = row[i];
    float message[CHANNELS] = {};
    for (u32 tile = here.x; tile < here.y; tile += TILE) {
        if (lane < TILE) {
            factor[lane] = 0.0f;
            sender[lane] = i;
            // Far away, where every envelope is 0 and every function finite.
            edges[lane] = EdgeBasis{};
            if (tile + lane < here.y) {
                const u32 j = col[tile + lane];
                const float d = length_of(xyz(position[i]) - xyz(position[j]));
                if (d < RADIUS) {
                    sender[lane] = j;
                    factor[lane] = conv_envelope(d).x;
                    edges[lane] = edge_basis(d);
                }
            }
        }
        __syncthreads();
        for (u32 at = lane; at < N_RBF * QUADS; at += WORKGROUP) {
            const u32 k = at / QUADS;
            const u32 t = at % QUADS * 4u;
            const float2 function =
                make_float2(weights[FUNCTIONS + 2u * k], weights[FUNCTIONS + 2u * k + 1u]);
            basis[at] = make_float4(
                radial_function(edges[t], function).x,
                radial_function(edges[t + 1u], function).x,
                radial_function(edges[t + 2u], function).x,
                radial_function(edges[t + 3u], function).x);
        }
        __syncthreads();
        float4 sum[CHANNELS * QUADS];
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < QUADS; q++) {
                sum[c * QUADS + q] = four(weights[BIAS + f]);
            }
        }
        for (u32 k = 0u; k < N_RBF; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < QUADS; q++) {
                    sum[c * QUADS + q] = fma(w, basis[k * QUADS + q], sum[c * QUADS + q]);
                }
            }
        }
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = c * WORKGROUP + lane;
            if (f < N_FILTERS) {
#pragma unroll
                for (u32 q = 0u; q < QUADS; q++) {
                    hidden[f * QUADS + q] = act4(sum[c * QUADS + q]);
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (u32 c = 0u; c < CHANNELS * QUADS; c++) {
            sum[c] = four(0.0f);
        }
        for (u32 k = 0u; k < N_FILTERS; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[FILTER1 + k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < QUADS; q++) {
                    sum[c * QUADS + q] = fma(w, hidden[k * QUADS + q], sum[c * QUADS + q]);
                }
            }
        }
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < QUADS; q++) {
                const float4 s = sum[c * QUADS + q];
                const float g[4] = {s.x, s.y, s.z, s.w};
#pragma unroll
                for (u32 t = 0u; t < 4u; t++) {
                    const u32 edge = q * 4u + t;
                    const float w = factor[edge] * g[t];
                    message[c] = fmaf(w, y[sender[edge] * STRIDE + f], message[c]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 c = 0u; c < CHANNELS; c++) {
        const u32 f = c * WORKGROUP + lane;
        if (f < N_FILTERS) {
            m[i * STRIDE + f] = message[c];
        }
    }
}
