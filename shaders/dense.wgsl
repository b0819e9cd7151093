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
// grid    row tiles x output tiles; a tile of inputs is in workgroup memory, the sums are in
//         registers
// twin    src/reference/dense.rs
#import params
#import activation

const WORKGROUP: u32 = 64u;
const N_IN: u32 = 128u;
const N_OUT: u32 = 128u;
const ACTIVATE_INPUT: bool = false;
const HAS_BIAS: bool = true;
// 0: out = y, 1: out += y, 2: out = act'(pre) y.
const OUTPUT: u32 = 0u;
// Output tiles across the grid.
const OUT_TILES: u32 = 1u;

// Rows of a tile in quads; rows of a tile; inputs staged at a time; outputs of an invocation;
// outputs of a tile.
const QUADS: u32 = 4u;
const ROWS: u32 = 16u;
const STAGE: u32 = 64u;
const CHANNELS: u32 = 2u;
const OUT_TILE: u32 = 128u;
const_assert ROWS == 4u * QUADS;
const_assert OUT_TILE == WORKGROUP * CHANNELS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> pre: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// [input, row / 4]: four rows of one input.
var<workgroup> tile: array<vec4<f32>, STAGE * QUADS>;

fn input(row: u32, k: u32) -> f32 {
    if row >= params.n_beads || k >= N_IN {
        return 0.0;
    }
    let value = x[row * N_IN + k];
    if ACTIVATE_INPUT {
        return act(value);
    }
    return value;
}

@compute @workgroup_size(WORKGROUP)
fn dense(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid);
    let first_row = number / OUT_TILES * ROWS;
    let first_out = number % OUT_TILES * OUT_TILE;
    var sum: array<vec4<f32>, CHANNELS * QUADS>;
    for (var c = 0u; c < CHANNELS; c++) {
        let o = first_out + c * WORKGROUP + lane;
        var start = 0.0;
        if HAS_BIAS && o < N_OUT {
            start = bias[o];
        }
        for (var q = 0u; q < QUADS; q++) {
            sum[c * QUADS + q] = vec4<f32>(start);
        }
    }
    for (var stage = 0u; stage < N_IN; stage += STAGE) {
        for (var at = lane; at < STAGE * QUADS; at += WORKGROUP) {
            // Consecutive invocations read consecutive inputs of a row.
            let k = stage + at % STAGE;
            let row = first_row + at / STAGE * 4u;
            tile[at % STAGE * QUADS + at / STAGE] = vec4<f32>(
                input(row, k), input(row + 1u, k), input(row + 2u, k), input(row + 3u, k),
            );
        }
        workgroupBarrier();
        let n = min(STAGE, N_IN - stage);
        for (var k = 0u; k < n; k++) {
            for (var c = 0u; c < CHANNELS; c++) {
                let o = first_out + c * WORKGROUP + lane;
                let w = weight[(stage + k) * N_OUT + min(o, N_OUT - 1u)];
                for (var q = 0u; q < QUADS; q++) {
                    sum[c * QUADS + q] = fma(
                        vec4<f32>(w), tile[k * QUADS + q], sum[c * QUADS + q],
                    );
                }
            }
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < CHANNELS; c++) {
        let o = first_out + c * WORKGROUP + lane;
        for (var q = 0u; q < QUADS; q++) {
            for (var t = 0u; t < 4u; t++) {
                let row = first_row + q * 4u + t;
                if row < params.n_beads && o < N_OUT {
                    let at = row * N_OUT + o;
                    var y = sum[c * QUADS + q][t];
                    if OUTPUT == 1u {
                        y += out[at];
                    } else if OUTPUT == 2u {
                        y *= act_and_slope(pre[at]).y;
                    }
                    out[at] = y;
                }
            }
        }
    }
}
