// lib/matrix for devices without tensor cores, to test the kernels that use them: the same
// functions, operands and layouts. 32 consecutive invocations emulate a subgroup.
enable f16;

// Offset of the matrix.
alias Weight = u32;
// Offset of the first row, and the stride of the rows.
alias Rows = vec2<u32>;
// Half a row of the matrix.
alias Sum = array<f32, 8>;

fn weight_at(at: u32) -> Weight {
    return at;
}

fn rows_at(at: u32, stride: u32) -> Rows {
    return vec2<u32>(at, stride);
}

fn multiply_add(x: Rows, w: Weight, sum: Sum, lane: u32) -> Sum {
    let row = x.x + lane % 32u / 2u * x.y;
    let column = w + lane % 2u * 32u;
    var added = sum;
    for (var at = 0u; at < 32u; at++) {
        let four = vec4<f32>(rows[row + at % 4u]);
        added[at / 4u] += dot(four, vec4<f32>(halves[column + at]));
    }
    return added;
}

fn plus(a: Sum, b: Sum) -> Sum {
    var sum = a;
    for (var k = 0u; k < 8u; k++) {
        sum[k] += b[k];
    }
    return sum;
}

fn put(sum: Sum, at: u32, lane: u32) {
    let first = at + lane % 32u / 2u * SUM_STRIDE + lane % 2u * 2u;
    sums[first] = vec4<f32>(sum[0], sum[1], sum[2], sum[3]);
    sums[first + 1u] = vec4<f32>(sum[4], sum[5], sum[6], sum[7]);
}
