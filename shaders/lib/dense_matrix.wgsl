// lib/dense on the matrix units: the same functions, for tiles of 16 rows.
//
// The units multiply 16-bit floats and add f32. An operand is the sum of two of them, so that with
// the three larger of the four products a layer is as exact as in f32:
//   W x = (W_high x_high + W_high x_low + W_low x_high) / scale
// Every row of inputs is scaled by a power of two of its own, the weights by one for all, so that
// neither leaves the range of 16-bit floats; a row's digits do not depend on the rows around it.
//
// Biases lie as in lib/dense, with widths that are multiples of 16; the halves of weights in matrices
// of 16 x 16, each output by output.
enable f16;
#import matrix_turned
#import lanes
#import parts
#import weight

// A subgroup walks along the columns of a row; its invocations have a quad of them each.
const LANES: u32 = 32u;
const WIDTH: u32 = 32u;
// Rows of an invocation.
const ROWS: u32 = 4u;
const SUBGROUPS: u32 = WORKGROUP / LANES;
const TILE: u32 = SUBGROUPS * ROWS;
// Fours of numbers from one row to the next: rows begin in different banks of the memory.
const STRIDE: u32 = WIDTH + 2u;
const SUM_STRIDE: u32 = WIDTH + 1u;
// Where the lower parts of the rows begin.
const LOW: u32 = TILE * STRIDE;
// Where the lower parts of the weights begin, in fours.
const LOW_AT: u32 = 0u;
// 1 / scale of the weights.
const UNSCALE: f32 = 1.0;
// Number of the binding.
const HALVES: u32 = 8u;
const_assert LANES >= WIDTH && TILE == 16u;

@group(0) @binding(HALVES) var<storage, read> halves: array<vec4<f16>>;

// What an invocation holds of its rows.
alias Held = array<vec4<f32>, ROWS>;

// The higher parts, then the lower ones.
var<workgroup> rows: array<vec4<f16>, 2u * LOW>;
var<workgroup> sums: array<vec4<f32>, TILE * SUM_STRIDE>;
// 1 / scale of the rows of the invocation.
var<private> unscale: Held;

// Quads, in whole matrices.
fn whole(n: u32) -> u32 {
    return (n + 3u) / 4u * 4u;
}

// Of W x.
fn product(at: u32, n_in: u32, n_out: u32, lane: u32) -> Held {
    let width = whole(n_out);
    for (var c = lane / LANES * 4u; c < width; c += 4u * SUBGROUPS) {
        // The units cut off what they add to a large sum: only products of a lower part, which are
        // small, are summed there.
        var upper = Sum();
        var lower = Sum();
        for (var k = 0u; k < whole(n_in); k += 4u) {
            let matrix = at + 4u * k * width + 16u * c;
            let w = weight_at(matrix);
            let x = rows_at(k, STRIDE);
            upper = plus(upper, multiply_add(x, w, Sum(), lane));
            let w_low = weight_at(LOW_AT + matrix);
            let x_low = rows_at(LOW + k, STRIDE);
            lower = multiply_add(x_low, w, multiply_add(x, w_low, lower, lane), lane);
        }
        put(plus(upper, lower), c, lane);
    }
    workgroupBarrier();
    let q = min(lane % LANES, width - 1u);
    var held: Held;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        held[r] = unscale[r] * sums[(lane / LANES * ROWS + r) * SUM_STRIDE + q];
    }
    return held;
}

// Quad q of the bias of a layer.
fn bias_of(at: u32, n_in: u32, n_out: u32, q: u32) -> vec4<f32> {
    return numbers_at(at + 4u * whole(n_in) * whole(n_out) + min(q, n_out - 1u));
}

// Puts what the invocation holds in place of the tile's rows, for the next layer.
fn keep(held: Held, n_out: u32, lane: u32) {
    let q = lane % LANES;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let x = select(vec4<f32>(0.0), held[r], q < n_out);
        let two = max(abs(x.xy), abs(x.zw));
        let largest = largest_of_lanes(max(two.x, two.y), lane);
        // The power of two that takes it to 2^14 or somewhat more.
        let exponent = max(bitcast<u32>(largest) >> 23u, 15u);
        unscale[r] = vec4<f32>(UNSCALE * bitcast<f32>((exponent - 14u) << 23u));
        if q < WIDTH {
            let at = (lane / LANES * ROWS + r) * STRIDE + q;
            put_parts(at, bitcast<f32>((268u - exponent) << 23u) * x);
        }
    }
    workgroupBarrier();
}
