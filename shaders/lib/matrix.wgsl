// Products on tensor cores, which a subgroup computes together: matrices of 16 x 16, f16 factors,
// f32 sums. Control flow around all of these functions must be uniform.
//
// The kernel declares `halves`, the weights, one matrix after the other, each column by column;
// `rows`, the matrices that are multiplied by the weights; and `sums`, whose rows are SUM_STRIDE
// apart. Offsets and strides count quads of numbers.
enable f16;
enable wgpu_cooperative_matrix;

alias Weight = coop_mat16x16<f16, B>;
alias Rows = coop_mat16x16<f16, A>;
alias Sum = coop_mat16x16<f32, C>;

// The matrix of weights that begins at `at`.
fn weight_at(at: u32) -> Weight {
    return coopLoad<coop_mat16x16<f16, B>>(&halves[at], 4u);
}

// The 16 rows that begin at `at`, `stride` quads apart.
fn rows_at(at: u32, stride: u32) -> Rows {
    return coopLoadT<coop_mat16x16<f16, A>>(&rows[at], stride);
}

// sum + x w
fn multiply_add(x: Rows, w: Weight, sum: Sum, lane: u32) -> Sum {
    return coopMultiplyAdd(x, w, sum);
}

fn plus(a: Sum, b: Sum) -> Sum {
    return a + b;
}

// Stores a sum in the rows of `sums` that begin at `at`.
fn put(sum: Sum, at: u32, lane: u32) {
    coopStoreT(sum, &sums[at], SUM_STRIDE);
}
