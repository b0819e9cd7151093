// block_forward -- from the messages of a block to the features that the next block filters
//
//   z = W2 m + b2;  h += W act(z) + b;  y = W1 h + b1 of the next block
//
// The three layers run one after the other in workgroup memory. Only z, h and y, which later
// kernels read, go to GPU memory. After the last block, readout takes the place of this kernel.
// HIDDEN and FILTERS are widths in quads of four channels.
//
// reads   weight (W2, W, W1 of the next block, with biases), bead, embedding [n_types, HIDDEN],
//         m [n_beads, FILTERS]
// writes  z [n_beads, HIDDEN], y [n_beads, FILTERS]   overwritten;
//         h [n_beads, HIDDEN]   added to, or in the first block set to the embedding plus the sum;
//         kept [n_beads, FILTERS]   overwritten if KEPT: y for the backward pass
// grid    one workgroup per tile of rows
// twin    src/reference/network.rs
#import params
#import activation
#import dense
#import stored

const WORKGROUP: u32 = 128u;
const HIDDEN: u32 = 32u;
const FILTERS: u32 = 32u;
const LIN2: u32 = 0u;
const LIN: u32 = 4128u;
const LIN1: u32 = 8256u;
const FIRST: bool = false;
// Whether the backward pass reads its own copy of y, in f16.
const KEPT: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<Weights>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> embedding: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> m: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> z: array<Stored>;
@group(0) @binding(6) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> kept: array<Stored>;

@compute @workgroup_size(WORKGROUP)
fn block_forward(
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

    rows = product(LIN2, FILTERS, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        let pre = rows[r] + bias_of(LIN2, FILTERS, HIDDEN, q);
        if q < HIDDEN && row < params.n_beads {
            z[row * HIDDEN + q] = stored(pre);
        }
        rows[r] = act4(pre);
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
            h[row * HIDDEN + q] = rows[r];
        }
    }
    keep(rows, HIDDEN, lane);

    rows = product(LIN1, HIDDEN, FILTERS, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < FILTERS && row < params.n_beads {
            let features = rows[r] + bias_of(LIN1, HIDDEN, FILTERS, q);
            y[row * FILTERS + q] = features;
            if KEPT {
                kept[row * FILTERS + q] = stored(features);
            }
        }
    }
}
