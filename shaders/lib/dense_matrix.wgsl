// lib/dense on tensor cores: the same functions, for tiles of 16 rows.
//
// Tensor cores multiply f16 and add f32. Each operand is stored as the sum of two f16, high and
// low. With three of the four products a layer is as exact as in f32:
//   W x = (W_high x_high + W_high x_low + W_low x_high) / scale
// Each row of inputs has its own power of two as scale factor, and all weights share one, so that
// both stay in the range of f16. The result for a row does not depend on the other rows.
//
// `weight` holds the biases as in lib/dense, with widths that are multiples of 16, and the scale
// factor. `halves` holds the high and low parts of the weights in matrices of 16 x 16, each output by
// output.
enable f16;
#import matrix_turned
#import lanes
#import parts
#import weight

// The invocations of a subgroup share a row; each holds a quad of its columns.
const LANES: u32 = 32u;
const WIDTH: u32 = 32u;
// Rows of an invocation.
const ROWS: u32 = 4u;
const SUBGROUPS: u32 = WORKGROUP / LANES;
const TILE: u32 = SUBGROUPS * ROWS;
// Quads from one row to the next. The padding puts rows into different banks of workgroup memory.
const STRIDE: u32 = WIDTH + 2u;
const SUM_STRIDE: u32 = WIDTH + 1u;
// Offset of the low parts of the rows.
const LOW: u32 = TILE * STRIDE;
// Offset of the low parts of the weights, in quads.
const LOW_AT: u32 = 0u;
// Place of the number 1 / scale factor of the weights in `weight`.
const UNSCALE_AT: u32 = 0u;
// Number of the binding `halves`, the last one.
const HALVES: u32 = 8u;
const_assert LANES >= WIDTH && TILE == 16u;

@group(0) @binding(HALVES) var<storage, read> halves: array<vec4<f16>>;

// The quads that an invocation holds: one of each of its rows.
alias Held = array<vec4<f32>, ROWS>;

// The high parts of the rows, then the low parts.
var<workgroup> rows: array<vec4<f16>, 2u * LOW>;
var<workgroup> sums: array<vec4<f32>, TILE * SUM_STRIDE>;
// 1 / scale factor of the rows of an invocation.
var<private> unscale: Held;

// n quads, rounded up to whole matrices.
fn whole(n: u32) -> u32 {
    return (n + 3u) / 4u * 4u;
}

// W x for a layer of n_in to n_out quads.
fn product(at: u32, n_in: u32, n_out: u32, lane: u32) -> Held {
    let width = whole(n_out);
    for (var c = lane / LANES * 4u; c < width; c += 4u * SUBGROUPS) {
        // Tensor cores truncate terms that they add to a large sum. They therefore accumulate only
        // the products with a low part, which are small; ordinary f32 additions sum the products of
        // high parts.
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

// Stores the quads that an invocation holds as the rows of the tile, the input of the next layer.
fn keep(held: Held, n_out: u32, lane: u32) {
    let q = lane % LANES;
    let of_weights = numbers_at(UNSCALE_AT).x;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
        let x = select(vec4<f32>(0.0), held[r], q < n_out);
        let two = max(abs(x.xy), abs(x.zw));
        let largest = largest_of_lanes(max(two.x, two.y), lane);
        // The power of two that scales `largest` to [2^14, 2^15).
        let exponent = max(bitcast<u32>(largest) >> 23u, 15u);
        unscale[r] = vec4<f32>(of_weights * bitcast<f32>((exponent - 14u) << 23u));
        if q < WIDTH {
            let at = (lane / LANES * ROWS + r) * STRIDE + q;
            put_parts(at, bitcast<f32>((268u - exponent) << 23u) * x);
        }
    }
    workgroupBarrier();
}
