// block_forward -- from the messages of a block to the features that the next one filters
//
//   z = W2 m + b2;  h += W act(z) + b;  y = W1 h + b1 of the next block
//
// The three layers follow each other in workgroup memory: of what lies between them only z and h,
// which are needed again, reach GPU memory.
//
// reads   weight (lin2, lin, lin1 of the next block), bead, embedding [n_types, HIDDEN],
//         m [n_beads, FILTERS]
// writes  z, h [n_beads, HIDDEN], y [n_beads, FILTERS]   overwritten; in the first block h starts
//         from the embedding; after the last there is no y
// grid    one workgroup per tile of rows
// twin    src/reference/network.rs
#import params
#import activation
#import dense

const WORKGROUP: u32 = 128u;
const HIDDEN: u32 = 32u;
const FILTERS: u32 = 32u;
const LIN2: u32 = 0u;
const LIN: u32 = 4128u;
const LIN1: u32 = 8256u;
const FIRST: bool = false;
const LAST: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> embedding: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> m: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> z: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn block_forward(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = workgroup_number(id, grid) * TILE;
    let mine = first + first_held(lane);
    let q = lane % LANES;
    for (var at = lane; at < TILE * FILTERS; at += WORKGROUP) {
        let row = min(first + at / FILTERS, params.n_beads - 1u);
        tile[at / FILTERS * WIDTH + at % FILTERS] = m[row * FILTERS + at % FILTERS];
    }
    workgroupBarrier();

    var rows = product(LIN2, FILTERS, HIDDEN, lane);
    let bias2 = bias_of(LIN2, FILTERS, HIDDEN, lane);
    for (var r = 0u; r < HELD; r++) {
        rows[r] += bias2;
        if q < HIDDEN && mine + r < params.n_beads {
            z[(mine + r) * HIDDEN + q] = rows[r];
        }
        rows[r] = act4(rows[r]);
    }
    keep(rows, HIDDEN, lane);

    rows = product(LIN, HIDDEN, HIDDEN, lane);
    let bias = bias_of(LIN, HIDDEN, HIDDEN, lane);
    for (var r = 0u; r < HELD; r++) {
        rows[r] += bias;
        if q < HIDDEN && mine + r < params.n_beads {
            let at = (mine + r) * HIDDEN + q;
            if FIRST {
                rows[r] += embedding[bead[mine + r].bead_type * HIDDEN + q];
            } else {
                rows[r] += h[at];
            }
            h[at] = rows[r];
        }
    }
    if LAST {
        return;
    }
    keep(rows, HIDDEN, lane);

    rows = product(LIN1, HIDDEN, FILTERS, lane);
    let bias1 = bias_of(LIN1, HIDDEN, FILTERS, lane);
    for (var r = 0u; r < HELD; r++) {
        if q < FILTERS && mine + r < params.n_beads {
            y[(mine + r) * FILTERS + q] = rows[r] + bias1;
        }
    }
}
