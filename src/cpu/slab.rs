//! Matrices in slabs of sixteen columns, `[n_slabs, n_rows]`. A row of a slab is a vector. A slab
//! is contiguous in memory and small enough for the caches of the thread that owns it. The last
//! slab is padded with columns of zeros.

/// The number of columns of a slab.
pub(super) const LANES: usize = 16;

/// A row of a slab: one cache line, and one vector of AVX-512.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lanes(pub [f32; LANES]);

impl Lanes {
    pub(super) const ZERO: Lanes = Lanes([0.0; LANES]);
}

impl Default for Lanes {
    fn default() -> Self {
        Lanes::ZERO
    }
}

/// The number of slabs of `n_columns` columns.
pub(super) fn n_slabs(n_columns: usize) -> usize {
    n_columns.div_ceil(LANES)
}

/// Converts a row-major matrix `[n_rows, n_columns]` to slabs.
pub(super) fn to_slabs(values: &[f64], n_columns: usize) -> Vec<Lanes> {
    let n_rows = values.len() / n_columns;
    let mut slabs = vec![Lanes::ZERO; n_slabs(n_columns) * n_rows];
    for (row, values) in values.chunks_exact(n_columns).enumerate() {
        for (column, value) in values.iter().enumerate() {
            slabs[column / LANES * n_rows + row].0[column % LANES] = *value as f32;
        }
    }
    slabs
}

/// Converts a matrix in slabs to row-major `[n_rows, n_columns]`.
pub(super) fn from_slabs(slabs: &[Lanes], n_columns: usize) -> Vec<f64> {
    let n_rows = slabs.len() / n_slabs(n_columns);
    let mut values = Vec::with_capacity(n_rows * n_columns);
    for row in 0..n_rows {
        for column in 0..n_columns {
            values.push(f64::from(slabs[column / LANES * n_rows + row].0[column % LANES]));
        }
    }
    values
}

/// Makes room for `length` numbers; the old values may be lost.
pub(super) fn room<T: Copy + Default>(values: &mut Vec<T>, length: usize) -> &mut [T] {
    if values.capacity() < length {
        // The number of pairs fluctuates. An eighth more avoids most later allocations; doubling
        // would waste memory.
        values.clear();
        values.reserve_exact(length + length / 8);
    }
    values.resize(length, T::default());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_hold_a_matrix_and_zeros() {
        for (n_rows, n_columns) in [(1, 1), (3, 16), (5, 17), (2, 40)] {
            let values: Vec<f64> = (1..=n_rows * n_columns).map(|k| k as f64).collect();
            let slabs = to_slabs(&values, n_columns);
            assert_eq!(from_slabs(&slabs, n_columns), values);
            let n_zeros = slabs.iter().flat_map(|lanes| lanes.0).filter(|x| *x == 0.0).count();
            assert_eq!(n_zeros, n_rows * (n_slabs(n_columns) * LANES - n_columns));
        }
    }
}
