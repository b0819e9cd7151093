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
// grid    one workgroup per tile of rows
// twin    src/reference/network.rs
#import params
#import activation
#import dense
#import stored

const WORKGROUP: u32 = 128u;
const HIDDEN: u32 = 32u;
const FILTERS: u32 = 32u;
const LIN1: u32 = 0u;
const LIN: u32 = 4128u;
const LIN2: u32 = 8256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<Weights>;
@group(0) @binding(2) var<storage, read> grad_y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> z: array<Stored>;
@group(0) @binding(4) var<storage, read_write> grad_h: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grad_m: array<Stored>;

@compute @workgroup_size(WORKGROUP)
fn block_backward(
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
        rows[r] = grad_y[min(mine + r, params.n_beads - 1u) * FILTERS + min(q, FILTERS - 1u)];
    }
    keep(rows, FILTERS, lane);

    rows = product(LIN1, FILTERS, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < HIDDEN && row < params.n_beads {
            rows[r] += grad_h[row * HIDDEN + q];
            grad_h[row * HIDDEN + q] = rows[r];
        }
    }
    keep(rows, HIDDEN, lane);

    rows = product(LIN, HIDDEN, HIDDEN, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < HIDDEN && row < params.n_beads {
            rows[r] *= act_slope4(widened(loaded(z[row * HIDDEN + q])));
        }
    }
    keep(rows, HIDDEN, lane);

    rows = product(LIN2, HIDDEN, FILTERS, lane);
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let row = mine + r;
        if q < FILTERS && row < params.n_beads {
            grad_m[row * FILTERS + q] = stored(rows[r]);
        }
    }
}
