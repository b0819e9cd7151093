// dense -- a linear layer on every row, with an activation before it and an update after it
//
//   x'    = x, or act(x)                        ACTIVATE_INPUT
//   y     = W x' + b, or W x'                   HAS_BIAS
//   out   = y, out + y, or act'(pre) y          OUTPUT
//
// W is stored column by column, so that the same kernel serves W and its transpose. This is the
// unfused form, for tests and ablation; a step uses lib/dense in block_forward, readout and
// block_backward.
//
// reads   weight [N_IN, N_OUT], bias [N_OUT], x [n_beads, N_IN], pre [n_beads, N_OUT]
// writes  out [n_beads, N_OUT]
// grid    row tiles x output tiles; a tile of inputs is in shared memory, the sums are in registers
// twin    dense.wgsl, src/reference/dense.rs
#import params
#import activation

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_IN = 128u;
constexpr u32 N_OUT = 128u;
constexpr bool ACTIVATE_INPUT = false;
constexpr bool HAS_BIAS = true;
// 0: out = y, 1: out += y, 2: out = act'(pre) y.
constexpr u32 OUTPUT = 0u;
// Output tiles across the grid.
constexpr u32 OUT_TILES = 1u;

// Rows of a tile in quads; rows of a tile; inputs staged at a time; outputs of a thread; outputs of
// a tile.
constexpr u32 QUADS = 4u;
constexpr u32 ROWS = 16u;
constexpr u32 STAGE = 64u;
constexpr u32 CHANNELS = 2u;
constexpr u32 OUT_TILE = 128u;
static_assert(ROWS == 4u * QUADS);
static_assert(OUT_TILE == WORKGROUP * CHANNELS);

// [input, row / 4]: four rows of one input.
__shared__ float4 tile[STAGE * QUADS];

__device__ inline float input(u32 n_beads, const float* x, u32 row, u32 k) {
    if (row >= n_beads || k >= N_IN) {
        return 0.0f;
    }
    const float value = x[row * N_IN + k];
    return ACTIVATE_INPUT ? act(value) : value;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) dense(
    const Params* __restrict__ params,
    const float* __restrict__ weight,
    const float* __restrict__ bias,
    const float* __restrict__ x,
    const float* __restrict__ pre,
    float* __restrict__ out) {
    const u32 lane = threadIdx.x;
    const u32 number = workgroup_number();
    const u32 n_beads = params->n_beads;
    const u32 first_row = number / OUT_TILES * ROWS;
    const u32 first_out = number % OUT_TILES * OUT_TILE;
    float4 sum[CHANNELS * QUADS];
#pragma unroll
    for (u32 c = 0u; c < CHANNELS; c++) {
        const u32 o = first_out + c * WORKGROUP + lane;
        const float start = HAS_BIAS && o < N_OUT ? bias[o] : 0.0f;
#pragma unroll
        for (u32 q = 0u; q < QUADS; q++) {
            sum[c * QUADS + q] = four(start);
        }
    }
    for (u32 stage = 0u; stage < N_IN; stage += STAGE) {
        for (u32 at = lane; at < STAGE * QUADS; at += WORKGROUP) {
            // Consecutive threads read consecutive inputs of a row.
            const u32 k = stage + at % STAGE;
            const u32 row = first_row + at / STAGE * 4u;
            tile[at % STAGE * QUADS + at / STAGE] = make_float4(
                input(n_beads, x, row, k), input(n_beads, x, row + 1u, k),
                input(n_beads, x, row + 2u, k), input(n_beads, x, row + 3u, k));
        }
        __syncthreads();
        const u32 n = min(STAGE, N_IN - stage);
        for (u32 k = 0u; k < n; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 o = first_out + c * WORKGROUP + lane;
                const float w = weight[(stage + k) * N_OUT + min(o, N_OUT - 1u)];
#pragma unroll
                for (u32 q = 0u; q < QUADS; q++) {
                    sum[c * QUADS + q] = fma(four(w), tile[k * QUADS + q], sum[c * QUADS + q]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 c = 0u; c < CHANNELS; c++) {
        const u32 o = first_out + c * WORKGROUP + lane;
#pragma unroll
        for (u32 q = 0u; q < QUADS; q++) {
            const float4 s = sum[c * QUADS + q];
            const float of_row[4] = {s.x, s.y, s.z, s.w};
#pragma unroll
            for (u32 t = 0u; t < 4u; t++) {
                const u32 row = first_row + q * 4u + t;
                if (row < n_beads && o < N_OUT) {
                    const u32 at = row * N_OUT + o;
                    float y = of_row[t];
                    if constexpr (OUTPUT == 1u) {
                        y += out[at];
                    } else if constexpr (OUTPUT == 2u) {
                        y *= act_and_slope(pre[at]).y;
                    }
                    out[at] = y;
                }
            }
        }
    }
}
