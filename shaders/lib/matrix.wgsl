// Products on the matrix units, as a subgroup of 32 computes them together: matrices of 16 x 16,
// 16-bit floats multiplied, f32 summed. Control flow around all of these is uniform.
//
// The kernel declares `halves`, weights in matrices one after the other, each column by column;
// `rows`, what is multiplied by them; and `sums`, whose rows are SUM_STRIDE apart. Everything is
// counted in fours of numbers.
enable f16;
enable wgpu_cooperative_matrix;

alias Weight = coop_mat16x16<f16, B>;
alias Rows = coop_mat16x16<f16, A>;
alias Sum = coop_mat16x16<f32, C>;

// The matrix of weights that begins here.
fn weight_at(at: u32) -> Weight {
    return coopLoad<coop_mat16x16<f16, B>>(&halves[at], 4u);
}

// The 16 rows that begin here, so many fours apart.
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

// Stores a sum.
fn put(sum: Sum, at: u32, lane: u32) {
    coopStoreT(sum, &sums[at], SUM_STRIDE);
}
