// Linear layers, one after the other, on a tile of rows in workgroup memory: y_o = sum_k W_ok x_k,
// summed in the order of k.
//
// Channels are in quads of four. The buffer of weights holds, for each layer, W input by input
// [inputs, quads of outputs], then the scale factors of the outputs if SCALED, then the bias.
// Weights are loaded in chunks of AHEAD quads of inputs: while a workgroup works on one chunk in
// workgroup memory, it loads the next one into registers. All workgroups read the same weights at
// the same time, so early loads hide the latency that all would wait for.
#import weight

// Invocations that share a row, and quads of the widest layer.
const LANES: u32 = 32u;
const WIDTH: u32 = 32u;
// Rows of an invocation, which computes one quad of outputs of each row.
const ROWS: u32 = 4u;
const AHEAD: u32 = 4u;
const TILE: u32 = WORKGROUP / LANES * ROWS;
const CHUNK: u32 = 4u * AHEAD * WIDTH;
// CHUNK / WORKGROUP, rounded up.
const FETCHES: u32 = 4u;
const_assert WORKGROUP % LANES == 0u && LANES >= WIDTH && FETCHES * WORKGROUP >= CHUNK;

// The quads that an invocation holds: one of each of its rows.
alias Held = array<vec4<f32>, ROWS>;

var<workgroup> tile: array<vec4<f32>, TILE * WIDTH>;
var<workgroup> chunk: array<vec4<f32>, CHUNK>;

// W x for a layer of n_in to n_out quads whose weights begin at `at`.
fn product(at: u32, n_in: u32, n_out: u32, lane: u32) -> Held {
    let first = lane / LANES * ROWS * WIDTH;
    let q = min(lane % LANES, n_out - 1u);
    let size = 4u * AHEAD * n_out;
    let last = at + 4u * n_in * n_out - 1u;
    var sums: Held;
    var next: array<Weights, FETCHES>;
    // unroll
    for (var f = 0u; f < FETCHES; f++) {
        next[f] = weight[min(at + f * WORKGROUP + lane, last)];
    }
    for (var begin = 0u; begin < n_in; begin += AHEAD) {
        workgroupBarrier();
        // unroll
        for (var f = 0u; f < FETCHES; f++) {
            if f * WORKGROUP + lane < size {
                chunk[f * WORKGROUP + lane] = weights_in(next[f]);
            }
        }
        workgroupBarrier();
        let after = at + 4u * (begin + AHEAD) * n_out + lane;
        // unroll
        for (var f = 0u; f < FETCHES; f++) {
            next[f] = weight[min(after + f * WORKGROUP, last)];
        }
        let end = min(AHEAD, n_in - begin);
        for (var k = 0u; k < end; k++) {
            let w0 = chunk[4u * k * n_out + q];
            let w1 = chunk[(4u * k + 1u) * n_out + q];
            let w2 = chunk[(4u * k + 2u) * n_out + q];
            let w3 = chunk[(4u * k + 3u) * n_out + q];
            // unroll
            for (var r = 0u; r < ROWS; r++) {
                let x = tile[first + r * WIDTH + begin + k];
                let sum = fma(w1, x.yyyy, fma(w0, x.xxxx, sums[r]));
                sums[r] = fma(w3, x.wwww, fma(w2, x.zzzz, sum));
            }
        }
    }
    if SCALED {
        let scale = numbers_at(at + 4u * n_in * n_out + NUMBERS * q);
        // unroll
        for (var r = 0u; r < ROWS; r++) {
            sums[r] *= scale;
        }
    }
    return sums;
}

// Quad q of the bias of a layer.
fn bias_of(at: u32, n_in: u32, n_out: u32, q: u32) -> vec4<f32> {
    let scales = select(0u, n_out, SCALED);
    return numbers_at(at + 4u * n_in * n_out + NUMBERS * (scales + min(q, n_out - 1u)));
}

// Stores the quads that an invocation holds as the rows of the tile, the input of the next layer.
fn keep(held: Held, n_out: u32, lane: u32) {
    workgroupBarrier();
    let q = lane % LANES;
    if q < n_out {
        // unroll
        for (var r = 0u; r < ROWS; r++) {
            tile[(lane / LANES * ROWS + r) * WIDTH + q] = held[r];
        }
    }
    workgroupBarrier();
}
