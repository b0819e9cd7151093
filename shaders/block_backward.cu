// block_backward -- the backward pass of block_forward: from grad_y to grad_m
//
//   grad_h += W1^T grad_y of the next block;  grad_m = W2^T (act'(z) o W^T grad_h)
//
// grad_y is the gradient with respect to the features that the next block filters, grad_m the
// gradient with respect to the messages of this block. HIDDEN and FILTERS are widths in quads of
// four channels.
//
// reads   weight (W1^T of the next block, W^T, W2^T), grad_y [n_beads, FILTERS],
//         z [n_beads, HIDDEN]
// writes  grad_h [n_beads, HIDDEN]   added to; grad_m [n_beads, FILTERS]   overwritten
// grid    one thread block per tile of rows
// twin    block_backward.wgsl, src/reference/network.rs
#import params
#import activation

constexpr u32 WORKGROUP = 128u;
#import dense
#import stored

constexpr u32 HIDDEN = 32u;
constexpr u32 FILTERS = 32u;
constexpr u32 LIN1 = 0u;
constexpr u32 LIN = 4128u;
constexpr u32 LIN2 = 8256u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) block_backward(
    const Params* __restrict__ params,
    const Weights* __restrict__ weight,
    const float4* __restrict__ grad_y,
    const Stored* __restrict__ z,
    float4* __restrict__ grad_h,
    Stored* __restrict__ grad_m HALVES_ARGUMENT) {
    Chain chain = CHAIN;
    const u32 lane = threadIdx.x;
    const u32 n_beads = params->n_beads;
    const u32 first = workgroup_number() * TILE;
    const u32 mine = first + lane / LANES * ROWS;
    const u32 q = lane % LANES;
    Held rows;
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        rows[r] = grad_y[min(mine + r, n_beads - 1u) * FILTERS + min(q, FILTERS - 1u)];
    }
    keep(chain, rows, FILTERS, lane);

    rows = product(chain, LIN1, FILTERS, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < HIDDEN && row < n_beads) {
            rows[r] += grad_h[row * HIDDEN + q];
            grad_h[row * HIDDEN + q] = rows[r];
        }
    }
    keep(chain, rows, HIDDEN, lane);

    rows = product(chain, LIN, HIDDEN, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < HIDDEN && row < n_beads) {
            rows[r] *= act_slope4(widened(loaded(z[row * HIDDEN + q])));
        }
    }
    keep(chain, rows, HIDDEN, lane);

    rows = product(chain, LIN2, HIDDEN, FILTERS, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < FILTERS && row < n_beads) {
            grad_m[row * FILTERS + q] = stored(rows[r]);
        }
    }
}
