// lib/matrix with exchanged operands: weights are the left factor, which drivers load faster from
// GPU memory, and rows are the right factor. A column of a sum is 16 channels of a row. Kernels
// that hold their weights in registers are faster with lib/matrix.
enable f16;
enable wgpu_cooperative_matrix;

alias Weight = coop_mat16x16<f16, A>;
alias Rows = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

// The matrix of weights that begins at `at`.
fn weight_at(at: u32) -> Weight {
    return coopLoadT<coop_mat16x16<f16, A>>(&halves[at], 4u);
}

// The 16 rows that begin at `at`, `stride` quads apart.
fn rows_at(at: u32, stride: u32) -> Rows {
    return coopLoad<coop_mat16x16<f16, B>>(&rows[at], stride);
}

// sum + x w
fn multiply_add(x: Rows, w: Weight, sum: Sum, lane: u32) -> Sum {
    return coopMultiplyAdd(w, x, sum);
}

fn plus(a: Sum, b: Sum) -> Sum {
    return a + b;
}

// Stores a sum in the rows of `sums` that begin at `at`.
fn put(sum: Sum, at: u32, lane: u32) {
    coopStore(sum, &sums[at], SUM_STRIDE);
}
