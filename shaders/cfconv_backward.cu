// cfconv_backward -- the adjoint of cfconv_forward, by receiver rows ("flash aggregation",
//                    backward)
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// with rhat_ij = (x_i - x_j) / d_ij. The graph and W are symmetric, so each row gathers its own
// results and nothing is scattered. The kernel sums over channels once per row, not once per edge.
//
// reads   row [n_beads], col, position [n_beads] Å, y and grad_m [n_beads, STRIDE],
//         weights as in cfconv_forward
// writes  grad_y [n_beads, STRIDE]   overwritten; force [2, n_beads]   slow range: added to
// grid    one block per bead; a thread computes the same channels over the whole row
// twin    cfconv_backward.wgsl, src/reference/cfconv.rs
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
constexpr u32 TILE_QUADS = 2u;
constexpr u32 TILE = 8u;
constexpr u32 CHANNELS = 2u;
static_assert(TILE == 4u * TILE_QUADS);
static_assert(WORKGROUP * CHANNELS >= N_FILTERS);
static_assert(WORKGROUP >= TILE);

constexpr u32 BIAS = N_RBF * N_FILTERS;
constexpr u32 FILTER1 = BIAS + N_FILTERS;
constexpr u32 BIAS1 = FILTER1 + N_FILTERS * N_FILTERS;
constexpr u32 FUNCTIONS = BIAS1 + N_FILTERS;

__shared__ EdgeBasis edges[TILE];
// C, C' of the edges of the tile; 0 where there is no neighbor.
__shared__ float2 factor[TILE];
__shared__ float3 unit[TILE];
__shared__ u32 sender[TILE];
// Alternating values and slopes: the basis [function, 2, edge / 4] and the hidden layer
// [channel, 2, edge / 4].
__shared__ float4 basis[N_RBF * 2u * TILE_QUADS];
__shared__ float4 hidden[N_FILTERS * 2u * TILE_QUADS];
__shared__ float3 part[WORKGROUP];

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_backward(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
    const float* __restrict__ y,
    const float* __restrict__ grad_m,
    const float* __restrict__ weights,
    float* __restrict__ grad_y,
    float4* __restrict__ force) {
    const u32 lane = threadIdx.x;
    const u32 i = workgroup_number();
    if (i >= params->n_beads) {
        return;
    }
    const uint2 here = row[i];
    float mine_y[CHANNELS] = {};
    float mine_m[CHANNELS] = {};
    float gradient[CHANNELS] = {};
#pragma unroll
    for (u32 c = 0u; c < CHANNELS; c++) {
        const u32 f = c * WORKGROUP + lane;
        if (f < N_FILTERS) {
            mine_y[c] = y[i * STRIDE + f];
            mine_m[c] = grad_m[i * STRIDE + f];
        }
    }
    float3 push = three(0.0f);
    for (u32 tile = here.x; tile < here.y; tile += TILE) {
        if (lane < TILE) {
            factor[lane] = make_float2(0.0f, 0.0f);
            unit[lane] = three(0.0f);
            sender[lane] = i;
            edges[lane] = EdgeBasis{};
            if (tile + lane < here.y) {
                const u32 j = col[tile + lane];
                const float3 between = separation(position[i], position[j]);
                const float d = length_of(between);
                if (d < RADIUS) {
                    sender[lane] = j;
                    factor[lane] = conv_envelope(d);
                    unit[lane] = unit_of(between, d);
                    edges[lane] = edge_basis(d);
                }
            }
        }
        __syncthreads();
        for (u32 at = lane; at < N_RBF * TILE_QUADS; at += WORKGROUP) {
            const u32 k = at / TILE_QUADS;
            const u32 q = at % TILE_QUADS;
            const float2 function =
                make_float2(weights[FUNCTIONS + 2u * k], weights[FUNCTIONS + 2u * k + 1u]);
            const float2 a = radial_function(edges[q * 4u], function);
            const float2 b = radial_function(edges[q * 4u + 1u], function);
            const float2 c = radial_function(edges[q * 4u + 2u], function);
            const float2 d = radial_function(edges[q * 4u + 3u], function);
            basis[(k * 2u) * TILE_QUADS + q] = make_float4(a.x, b.x, c.x, d.x);
            basis[(k * 2u + 1u) * TILE_QUADS + q] = make_float4(a.y, b.y, c.y, d.y);
        }
        __syncthreads();
        // s = filter0 B + b0 and s' = filter0 B'
        float4 sum[CHANNELS * TILE_QUADS];
        float4 slope[CHANNELS * TILE_QUADS];
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = four(weights[BIAS + f]);
                slope[c * TILE_QUADS + q] = four(0.0f);
            }
        }
        for (u32 k = 0u; k < N_RBF; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    const u32 at = c * TILE_QUADS + q;
                    sum[at] = fma(w, basis[(k * 2u) * TILE_QUADS + q], sum[at]);
                    slope[at] = fma(w, basis[(k * 2u + 1u) * TILE_QUADS + q], slope[at]);
                }
            }
        }
        // act(s) and act'(s) s'
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = c * WORKGROUP + lane;
            if (f < N_FILTERS) {
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    const float4 s = sum[c * TILE_QUADS + q];
                    const float2 a = act_and_slope(s.x);
                    const float2 b = act_and_slope(s.y);
                    const float2 e = act_and_slope(s.z);
                    const float2 g = act_and_slope(s.w);
                    hidden[(f * 2u) * TILE_QUADS + q] = make_float4(a.x, b.x, e.x, g.x);
                    hidden[(f * 2u + 1u) * TILE_QUADS + q] =
                        make_float4(a.y, b.y, e.y, g.y) * slope[c * TILE_QUADS + q];
                }
            }
        }
        __syncthreads();
        // G = filter1 act(s) + b1 and G' = filter1 (act'(s) s')
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
#pragma unroll
            for (u32 q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = four(weights[BIAS1 + f]);
                slope[c * TILE_QUADS + q] = four(0.0f);
            }
        }
        for (u32 k = 0u; k < N_FILTERS; k++) {
#pragma unroll
            for (u32 c = 0u; c < CHANNELS; c++) {
                const u32 f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                const float4 w = four(weights[FILTER1 + k * N_FILTERS + f]);
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    const u32 at = c * TILE_QUADS + q;
                    sum[at] = fma(w, hidden[(k * 2u) * TILE_QUADS + q], sum[at]);
                    slope[at] = fma(w, hidden[(k * 2u + 1u) * TILE_QUADS + q], slope[at]);
                }
            }
        }
#pragma unroll
        for (u32 c = 0u; c < CHANNELS; c++) {
            const u32 f = c * WORKGROUP + lane;
            if (f < N_FILTERS) {
#pragma unroll
                for (u32 q = 0u; q < TILE_QUADS; q++) {
                    const float4 s = sum[c * TILE_QUADS + q];
                    const float4 ds = slope[c * TILE_QUADS + q];
                    const float g[4] = {s.x, s.y, s.z, s.w};
                    const float dg[4] = {ds.x, ds.y, ds.z, ds.w};
#pragma unroll
                    for (u32 t = 0u; t < 4u; t++) {
                        const u32 edge = q * 4u + t;
                        const float2 envelope = factor[edge];
                        const float w = envelope.x * g[t];
                        const float dw = fmaf(envelope.y, g[t], envelope.x * dg[t]);
                        const u32 at = sender[edge] * STRIDE + f;
                        const float their_m = grad_m[at];
                        gradient[c] = fmaf(w, their_m, gradient[c]);
                        const float pull = dw * fmaf(y[at], mine_m[c], mine_y[c] * their_m);
                        push.x = fmaf(-pull, unit[edge].x, push.x);
                        push.y = fmaf(-pull, unit[edge].y, push.y);
                        push.z = fmaf(-pull, unit[edge].z, push.z);
                    }
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 c = 0u; c < CHANNELS; c++) {
        const u32 f = c * WORKGROUP + lane;
        if (f < N_FILTERS) {
            grad_y[i * STRIDE + f] = gradient[c];
        }
    }
    part[lane] = push;
    __syncthreads();
    for (u32 stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if (lane < stride) {
            part[lane] += part[lane + stride];
        }
        __syncthreads();
    }
    if (lane == 0u) {
        force[slow(params, i)] += with_w(part[0], 0.0f);
    }
}
