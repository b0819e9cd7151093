// readout -- the layers after the last messages, the energy of every bead, and their backward pass
//
//   z = W2 m + b2;  x_0 = h + W act(z) + b                                 of the last block
//   p_l = W_l x_l + b_l;  x_(l+1) = act(p_l);  E = the last p
//   grad_h = W_0^T (act'(p_0) o W_1^T (act'(p_1) o ... W_last^T 1))
//   grad_m = W2^T (act'(z) o W^T grad_h)
//
// This kernel ends the forward pass and starts the backward pass, so that z stays in registers and
// x_0 in workgroup memory. HIDDEN, FILTERS and INNER are widths in quads of four channels.
//
// reads   weight, and in the same buffer the offsets and widths of the layers; bead,
//         embedding [n_types, HIDDEN], m [n_beads, FILTERS]
// writes  grad_m [n_beads, FILTERS];
//         h [n_beads, HIDDEN]   read as features, overwritten by their gradient;
//         hidden [LAYERS - 1, n_beads, INNER]   every p but the last;
//         force [2, n_beads]   slow range: 0, w: energy of the bead, kcal/mol
// grid    one workgroup per tile of rows
// twin    src/reference/network.rs
#import params
#import activation
#import dense
#import stored

const WORKGROUP: u32 = 128u;
const HIDDEN: u32 = 32u;
const FILTERS: u32 = 32u;
const LAYERS: u32 = 2u;
// Quads of the widest layer between the first layer and the last.
const INNER: u32 = 16u;
// Offsets of the weights of the last block, and of their transposes.
const LIN2: u32 = 0u;
const LIN: u32 = 4128u;
const LIN_BACK: u32 = 8256u;
const LIN2_BACK: u32 = 12352u;
// Offset of the descriptions of the layers.
const LAYERS_AT: u32 = 0u;
// The gradient at which the backward pass starts: dE/dE = 1 times a scale factor, a power of two
// that brings the gradients of messages to the middle of the range of their format.
// Whether the last block is also the first.
const FIRST: bool = false;

// Offsets of the weights of a layer and of their transpose; widths in quads.
struct Layer {
    forward: u32,
    backward: u32,
    inputs: u32,
    outputs: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<Weights>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> embedding: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> m: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grad_m: array<Stored>;
@group(0) @binding(6) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> hidden: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

fn layer(l: u32) -> Layer {
    let numbers = vec4<u32>(numbers_at(LAYERS_AT + NUMBERS * l));
    return Layer(numbers.x, numbers.y, numbers.z, numbers.w);
}

@compute @workgroup_size(WORKGROUP)
fn readout(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = workgroup_number(id, grid) * TILE;
    let mine = first + lane / LANES * ROWS;
    let q = lane % LANES;
    var rows: Held;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        rows[r] = m[min(mine + r, params.n_beads - 1u) * FILTERS + min(q, FILTERS - 1u)];
    }
    keep(rows, FILTERS, lane);

    var z = product(LIN2, FILTERS, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        z[r] += bias_of(LIN2, FILTERS, HIDDEN, q);
        rows[r] = act4(z[r]);
    }
    keep(rows, HIDDEN, lane);
    rows = product(LIN, HIDDEN, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < HIDDEN && row < params.n_beads {
            var before: vec4<f32>;
            if FIRST {
                before = embedding[bead[row].bead_type * HIDDEN + q];
            } else {
                before = h[row * HIDDEN + q];
            }
            rows[r] = before + (rows[r] + bias_of(LIN, HIDDEN, HIDDEN, q));
        }
    }
    keep(rows, HIDDEN, lane);

    for (var l = 0u; l < LAYERS; l++) {
        let dims = layer(l);
        rows = product(dims.forward, dims.inputs, dims.outputs, lane);
        // unroll
        for (var r = 0u; r < ROWS; r++) {
            let row = mine + r;
            let pre = rows[r] + bias_of(dims.forward, dims.inputs, dims.outputs, q);
            if l == LAYERS - 1u {
                if q == 0u && row < params.n_beads {
                    // Slow forces start from 0 here.
                    force[slow(row)] = vec4<f32>(0.0, 0.0, 0.0, pre.x);
                }
                rows[r] = vec4<f32>(params.gradient_scale, 0.0, 0.0, 0.0);
            } else {
                if q < dims.outputs && row < params.n_beads {
                    hidden[(l * params.n_beads + row) * INNER + q] = pre;
                }
                rows[r] = act4(pre);
            }
        }
        keep(rows, dims.outputs, lane);
    }
    for (var back = 0u; back < LAYERS; back++) {
        let l = LAYERS - 1u - back;
        let dims = layer(l);
        rows = product(dims.backward, dims.outputs, dims.inputs, lane);
        // unroll
        for (var r = 0u; r < ROWS; r++) {
            let row = mine + r;
            if q < dims.inputs && row < params.n_beads {
                if l == 0u {
                    h[row * HIDDEN + q] = rows[r];
                } else {
                    let at = ((l - 1u) * params.n_beads + row) * INNER + q;
                    rows[r] *= act_slope4(hidden[at]);
                }
            }
        }
        keep(rows, dims.inputs, lane);
    }

    rows = product(LIN_BACK, HIDDEN, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        rows[r] *= act_slope4(z[r]);
    }
    keep(rows, HIDDEN, lane);
    rows = product(LIN2_BACK, HIDDEN, FILTERS, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < FILTERS && row < params.n_beads {
            grad_m[row * FILTERS + q] = stored(rows[r]);
        }
    }
}
