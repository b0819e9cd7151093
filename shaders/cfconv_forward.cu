// cfconv_forward -- sum of filtered neighbor features per bead ("flash message passing",
//                   "flash aggregation")
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W = C(d) (filter1 act(filter0 B(d) + b0) + b1)
//
// The filters of a tile of edges stay in shared memory and registers; the kernel writes no feature
// of an edge to GPU memory. Weight matrices are stored column by column.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, STRIDE],
//         weights: columns of filter0, its bias, columns of filter1, its bias or zeros,
//         (center, sharpness) of the N_RBF functions
// writes  m [n_beads, STRIDE]   overwritten; no atomics; summation order = order of the row
// grid    one block per bead; a thread computes the same channels over the whole row
// twin    cfconv_forward.wgsl, src/reference/cfconv.rs
#import params
#import radial
#import separation
#import activation

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_FILTERS = 128u;
// Channels of a row in memory: N_FILTERS rounded up to a multiple of four.
constexpr u32 STRIDE = 128u;
constexpr u32 N_RBF = 64u;
// Edges of a tile in quads; edges of a tile; channels of a thread.
constexpr u32 TILE_QUADS = 4u;
constexpr u32 TILE = 16u;
constexpr u32 CHANNELS = 2u;
static_assert(TILE == 4u * TILE_QUADS);
static_assert(WORKGROUP * CHANNELS >= N_FILTERS);
static_assert(WORKGROUP >= TILE);

constexpr u32 BIAS = N_RBF * N_FILTERS;
constexpr u32 FILTER1 = BIAS + N_FILTERS;
constexpr u32 BIAS1 = FILTER1 + N_FILTERS * N_FILTERS;
constexpr u32 FUNCTIONS = BIAS1 + N_FILTERS;

__shared__ EdgeBasis edges[TILE];
// C(d) of the edges of the tile; 0 where there is no neighbor.
__shared__ float factor[TILE];
__shared__ u32 sender[TILE];
// The basis [function, edge / 4] and the hidden layer [channel, edge / 4].
__shared__ float4 basis[N_RBF * TILE_QUADS];
__shared__ float4 hidden[N_FILTERS * TILE_QUADS];

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_forward(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
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
            // No edge: the envelopes are 0 and every function is finite.
            edges[lane] = EdgeBasis{};
            if (tile + lane < here.y) {
                const u32 j = col[tile + lane];
                const float d = length_of(separation(position[i], position[j]));
                if (d < RADIUS) {
                    sender[lane] = j;
                    factor[lane] = conv_envelope(d).x;
                    edges[lane] = edge_basis(d);
                }
            }
        }
        __syncthreads();
        for (u32 at = lane; at < N_RBF * TILE_QUADS; at += WORKGROUP) {
            const u32 k = at / TILE_QUADS;
            const u32 t = at % TILE_QUADS * 4u;
            const float2 function =
                make_float2(weights[FUNCTIONS + 2u * k], weights[FUNCTIONS + 2u * k + 1u]);
            basis[at] = make_float4(
                radial_function(edges[t], function).x,
                radial_function(edges[t + 1u], function).x,
                radial_function(edges[t + 2u], function).x,
                radial_function(edges[t + 3u], function).x);
        }
        __syncthreads();
        float4 sum[CHANNELS * TILE_QUADS];
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = four(weights[BIAS + f]);
            }
        }
        for (u32 k = 0u; k < N_RBF; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    sum[c * TILE_QUADS + q] = fma(w, basis[k * TILE_QUADS + q], sum[c * TILE_QUADS + q]);
                }
            }
        }
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = c * WORKGROUP + lane;
            if (f < N_FILTERS) {
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    hidden[f * TILE_QUADS + q] = act4(sum[c * TILE_QUADS + q]);
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = four(weights[BIAS1 + f]);
            }
        }
        for (u32 k = 0u; k < N_FILTERS; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[FILTER1 + k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    sum[c * TILE_QUADS + q] = fma(w, hidden[k * TILE_QUADS + q], sum[c * TILE_QUADS + q]);
                }
            }
        }
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < TILE_QUADS; q++) {
                const float4 s = sum[c * TILE_QUADS + q];
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
