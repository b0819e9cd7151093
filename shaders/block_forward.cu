// block_forward -- from the messages of a block to the features that the next block filters
//
//   z = W2 m + b2;  h += W act(z) + b;  y = W1 h + b1 of the next block
//
// The three layers run one after the other in shared memory. Only z, h and y, which later kernels
// read, go to GPU memory. After the last block, readout takes the place of this kernel. HIDDEN and
// FILTERS are widths in quads of four channels.
//
// reads   weight (W2, W, W1 of the next block, with biases), bead, embedding [n_types, HIDDEN],
//         m [n_beads, FILTERS]
// writes  z [n_beads, HIDDEN], y [n_beads, FILTERS]   overwritten;
//         h [n_beads, HIDDEN]   added to, or in the first block set to the embedding plus the sum;
//         kept [n_beads, FILTERS]   overwritten if KEPT: y for the backward pass
// grid    one thread block per tile of rows
// twin    block_forward.wgsl, src/reference/network.rs
#import params
#import activation

constexpr u32 WORKGROUP = 128u;
#import dense
#import stored

constexpr u32 HIDDEN = 32u;
constexpr u32 FILTERS = 32u;
constexpr u32 LIN2 = 0u;
constexpr u32 LIN = 4128u;
constexpr u32 LIN1 = 8256u;
constexpr bool FIRST = false;
// Whether the backward pass reads its own copy of y, in f16.
constexpr bool KEPT = false;

extern "C" __global__ void __launch_bounds__(WORKGROUP) block_forward(
    const Params* __restrict__ params,
    const Weights* __restrict__ weight,
    const Bead* __restrict__ bead,
    const float4* __restrict__ embedding,
    const float4* __restrict__ m,
    Stored* __restrict__ z,
    float4* __restrict__ h,
    float4* __restrict__ y,
    Stored* __restrict__ kept HALVES_ARGUMENT) {
    Chain chain = CHAIN;
    const u32 lane = threadIdx.x;
    const u32 n_beads = params->n_beads;
    const u32 first = workgroup_number() * TILE;
    const u32 mine = first + lane / LANES * ROWS;
    const u32 q = lane % LANES;
    Held rows;
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        rows[r] = m[min(mine + r, n_beads - 1u) * FILTERS + min(q, FILTERS - 1u)];
    }
    keep(chain, rows, FILTERS, lane);

    rows = product(chain, LIN2, FILTERS, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        const float4 pre = rows[r] + bias_of(chain, LIN2, FILTERS, HIDDEN, q);
        if (q < HIDDEN && row < n_beads) {
            z[row * HIDDEN + q] = stored(pre);
        }
        rows[r] = act4(pre);
    }
    keep(chain, rows, HIDDEN, lane);

    rows = product(chain, LIN, HIDDEN, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < HIDDEN && row < n_beads) {
            const u32 at = row * HIDDEN + q;
            const float4 before = FIRST ? embedding[bead[row].bead_type * HIDDEN + q] : h[at];
            rows[r] = before + (rows[r] + bias_of(chain, LIN, HIDDEN, HIDDEN, q));
            h[at] = rows[r];
        }
    }
    keep(chain, rows, HIDDEN, lane);

    rows = product(chain, LIN1, HIDDEN, FILTERS, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < FILTERS && row < n_beads) {
            const float4 features = rows[r] + bias_of(chain, LIN1, HIDDEN, FILTERS, q);
            y[row * FILTERS + q] = features;
            if constexpr (KEPT) {
                kept[row * FILTERS + q] = stored(features);
            }
        }
    }
}
