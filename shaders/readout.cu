// readout -- the layers after the last messages, the energy of every bead, and their backward pass
//
//   z = W2 m + b2;  x_0 = h + W act(z) + b                                 of the last block
//   p_l = W_l x_l + b_l;  x_(l+1) = act(p_l);  E = the last p
//   grad_h = W_0^T (act'(p_0) o W_1^T (act'(p_1) o ... W_last^T 1))
//   grad_m = W2^T (act'(z) o W^T grad_h)
//
// This kernel ends the forward pass and starts the backward pass, so that z stays in registers and
// x_0 in shared memory. HIDDEN, FILTERS and INNER are widths in quads of four channels.
//
// reads   weight, and in the same buffer the offsets and widths of the layers; bead,
//         embedding [n_types, HIDDEN], m [n_beads, FILTERS]
// writes  grad_m [n_beads, FILTERS];
//         h [n_beads, HIDDEN]   read as features, overwritten by their gradient;
//         hidden [LAYERS - 1, n_beads, INNER]   every p but the last;
//         force [2, n_beads]   slow range: 0, w: energy of the bead, kcal/mol
// grid    one thread block per tile of rows
// twin    readout.wgsl, src/reference/network.rs
#import params
#import activation

constexpr u32 WORKGROUP = 128u;
#import dense
#import stored

constexpr u32 HIDDEN = 32u;
constexpr u32 FILTERS = 32u;
constexpr u32 LAYERS = 2u;
// Quads of the widest layer between the first layer and the last.
constexpr u32 INNER = 16u;
// Offsets of the weights of the last block, and of their transposes.
constexpr u32 LIN2 = 0u;
constexpr u32 LIN = 4128u;
constexpr u32 LIN_BACK = 8256u;
constexpr u32 LIN2_BACK = 12352u;
// Offset of the descriptions of the layers.
constexpr u32 LAYERS_AT = 0u;
// The gradient at which the backward pass starts: dE/dE = 1 times a scale factor, a power of two
// that brings the gradients of messages to the middle of the range of their format.
// Whether the last block is also the first.
constexpr bool FIRST = false;

// Offsets of the weights of a layer and of their transpose; widths in quads.
struct Layer {
    u32 forward;
    u32 backward;
    u32 inputs;
    u32 outputs;
};

__device__ inline Layer layer(const Weights* weight, u32 l) {
    const float4 numbers = numbers_at(weight, LAYERS_AT + NUMBERS * l);
    return Layer{
        static_cast<u32>(numbers.x), static_cast<u32>(numbers.y), static_cast<u32>(numbers.z),
        static_cast<u32>(numbers.w)};
}

// The second bound keeps the compiler from spilling registers to fit more blocks on a
// multiprocessor.
extern "C" __global__ void __launch_bounds__(WORKGROUP, 1) readout(
    const Params* __restrict__ params,
    const Weights* __restrict__ weight,
    const Bead* __restrict__ bead,
    const float4* __restrict__ embedding,
    const float4* __restrict__ m,
    Stored* __restrict__ grad_m,
    float4* __restrict__ h,
    float4* __restrict__ hidden,
    float4* __restrict__ force HALVES_ARGUMENT) {
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

    Held z = product(chain, LIN2, FILTERS, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        z[r] += bias_of(chain, LIN2, FILTERS, HIDDEN, q);
        rows[r] = act4(z[r]);
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
        }
    }
    keep(chain, rows, HIDDEN, lane);

#pragma unroll 1
    for (u32 l = 0u; l < LAYERS; l++) {
        const Layer dims = layer(weight, l);
        rows = product(chain, dims.forward, dims.inputs, dims.outputs, lane);
#pragma unroll
        for (u32 r = 0u; r < ROWS; r++) {
            const u32 row = mine + r;
            const float4 pre =
                rows[r] + bias_of(chain, dims.forward, dims.inputs, dims.outputs, q);
            if (l == LAYERS - 1u) {
                if (q == 0u && row < n_beads) {
                    // Slow forces start from 0 here.
                    force[slow(params, row)] = make_float4(0.0f, 0.0f, 0.0f, pre.x);
                }
                rows[r] = make_float4(params->gradient_scale, 0.0f, 0.0f, 0.0f);
            } else {
                if (q < dims.outputs && row < n_beads) {
                    hidden[(l * n_beads + row) * INNER + q] = pre;
                }
                rows[r] = act4(pre);
            }
        }
        keep(chain, rows, dims.outputs, lane);
    }
#pragma unroll 1
    for (u32 back = 0u; back < LAYERS; back++) {
        const u32 l = LAYERS - 1u - back;
        const Layer dims = layer(weight, l);
        rows = product(chain, dims.backward, dims.outputs, dims.inputs, lane);
#pragma unroll
        for (u32 r = 0u; r < ROWS; r++) {
            const u32 row = mine + r;
            if (q < dims.inputs && row < n_beads) {
                if (l == 0u) {
                    h[row * HIDDEN + q] = rows[r];
                } else {
                    const u32 at = ((l - 1u) * n_beads + row) * INNER + q;
                    rows[r] *= act_slope4(hidden[at]);
                }
            }
        }
        keep(chain, rows, dims.inputs, lane);
    }

    rows = product(chain, LIN_BACK, HIDDEN, HIDDEN, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        rows[r] *= act_slope4(z[r]);
    }
    keep(chain, rows, HIDDEN, lane);
    rows = product(chain, LIN2_BACK, HIDDEN, FILTERS, lane);
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const u32 row = mine + r;
        if (q < FILTERS && row < n_beads) {
            grad_m[row * FILTERS + q] = stored(rows[r]);
        }
    }
}
