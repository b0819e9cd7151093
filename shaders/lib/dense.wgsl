// Linear layers on a tile of rows in workgroup memory, one after the other:
//
//   y = sum over the quarters of the inputs of (sum_k W_ok x_k)
//
// Channels are in fours. Weights lie input by input, [4 inputs quads, outputs quads], and the bias
// behind them. An invocation multiplies four outputs of ROWS rows; where there are few rows, SPLIT
// invocations share them, a quarter of the inputs each. Either way the sums are those above.

// Quads side by side, and of the widest layer.
const LANES: u32 = 32u;
const WIDTH: u32 = 32u;
const QUARTERS: u32 = 4u;
// 1 or QUARTERS.
const SPLIT: u32 = 1u;
// Rows an invocation multiplies, and of how many it then holds the product.
const ROWS: u32 = 8u;
const HELD: u32 = ROWS / SPLIT;
const TILE: u32 = WORKGROUP / LANES / SPLIT * ROWS;
// Room for the sums that invocations share.
const PARTS: u32 = SPLIT / QUARTERS * WORKGROUP * ROWS;
const_assert WORKGROUP % (LANES * SPLIT) == 0u && ROWS % SPLIT == 0u && LANES >= WIDTH;

var<workgroup> tile: array<vec4<f32>, TILE * WIDTH + PARTS>;

// The tile's first row of those that an invocation multiplies, and of those it holds.
fn first_row(lane: u32) -> u32 {
    return lane / (LANES * SPLIT) * ROWS;
}

fn first_held(lane: u32) -> u32 {
    return first_row(lane) + lane / LANES % SPLIT * HELD;
}

// What the invocation holds of W x, for layers of n_in to n_out quads.
fn product(at: u32, n_in: u32, n_out: u32, lane: u32) -> array<vec4<f32>, HELD> {
    let q = min(lane % LANES, n_out - 1u);
    let first = first_row(lane);
    let share = lane / LANES % SPLIT;
    let length = (n_in + QUARTERS - 1u) / QUARTERS;
    var total: array<vec4<f32>, ROWS>;
    for (var quarter = 0u; quarter < QUARTERS; quarter++) {
        if SPLIT > 1u && quarter != share {
            continue;
        }
        var sums: array<vec4<f32>, ROWS>;
        let end = min((quarter + 1u) * length, n_in);
        for (var k = quarter * length; k < end; k++) {
            let from_k = at + 4u * k * n_out + q;
            let w0 = weight[from_k];
            let w1 = weight[from_k + n_out];
            let w2 = weight[from_k + 2u * n_out];
            let w3 = weight[from_k + 3u * n_out];
            for (var r = 0u; r < ROWS; r++) {
                let x = tile[(first + r) * WIDTH + k];
                sums[r] = fma(w3, x.wwww, fma(w2, x.zzzz, fma(w1, x.yyyy, fma(w0, x.xxxx, sums[r]))));
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            total[r] += sums[r];
        }
    }
    var held: array<vec4<f32>, HELD>;
    if SPLIT == 1u {
        for (var r = 0u; r < HELD; r++) {
            held[r] = total[r];
        }
    } else {
        let parts = TILE * WIDTH;
        for (var r = 0u; r < ROWS; r++) {
            tile[parts + r * WORKGROUP + lane] = total[r];
        }
        workgroupBarrier();
        for (var r = 0u; r < HELD; r++) {
            let at_row = parts + (share * HELD + r) * WORKGROUP + lane - share * LANES;
            for (var part = 0u; part < SPLIT; part++) {
                held[r] += tile[at_row + part * LANES];
            }
        }
    }
    return held;
}

// The bias of a layer for the outputs of an invocation.
fn bias_of(at: u32, n_in: u32, n_out: u32, lane: u32) -> vec4<f32> {
    return weight[at + 4u * n_in * n_out + min(lane % LANES, n_out - 1u)];
}

// Puts what the invocation holds in place of the tile's rows, for the next layer.
fn keep(held: array<vec4<f32>, HELD>, n_out: u32, lane: u32) {
    workgroupBarrier();
    var rows = held;
    if lane % LANES < n_out {
        for (var r = 0u; r < HELD; r++) {
            tile[(first_held(lane) + r) * WIDTH + lane % LANES] = rows[r];
        }
    }
    workgroupBarrier();
}
