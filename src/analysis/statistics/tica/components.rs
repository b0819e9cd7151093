//! Components and their time scales from covariance matrices.

use super::eigen::{Eigen, multiply, symmetric, transposed};

/// The limit ε of eigenvalues of C_0, in the squared unit of the features.
pub const EPSILON: f64 = 1e-6;

/// The mean and both covariance matrices.
pub(super) struct Moments {
    pub mean: Vec<f64>,
    /// C_0.
    pub instantaneous: Vec<f64>,
    /// C_τ.
    pub lagged: Vec<f64>,
}

/// The components of TICA at a lag.
#[derive(Debug, Clone, PartialEq)]
pub struct Tica {
    lag: usize,
    mean: Vec<f64>,
    /// λ_j, with descending magnitude.
    eigenvalues: Vec<f64>,
    /// r_j, row after row.
    components: Vec<f64>,
    /// C_0.
    instantaneous: Vec<f64>,
}

impl Tica {
    /// The components for the given moments; `None` if no direction is left, or a number is not
    /// finite.
    pub(super) fn new(lag: usize, moments: Moments, epsilon: f64) -> Option<Tica> {
        let Moments { mean, instantaneous, lagged } = moments;
        let n = mean.len();
        let Eigen { values, vectors } = symmetric(n, instantaneous.clone())?;
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        // Rounding errors are as large as negative eigenvalues.
        let epsilon = if smallest < 0.0 { epsilon.max(1e-16 - smallest) } else { epsilon };
        let kept = |(value, vector): (&f64, &[f64])| -> Option<Vec<f64>> {
            let scale = 1.0 / value.sqrt();
            (*value >= epsilon).then(|| vector.iter().map(|x| scale * x).collect())
        };
        // The rows whiten: their covariance matrix is the unit matrix.
        let rows: Vec<_> = values.iter().zip(vectors.chunks(n)).filter_map(kept).collect();
        let (rank, rows) = (rows.len(), rows.concat());
        if rank == 0 {
            return None;
        }
        let product = multiply(n, &multiply(n, &rows, &lagged), &transposed(n, &rows));
        let Eigen { values, vectors } = symmetric(rank, product)?;
        let mut order: Vec<usize> = (0..rank).collect();
        order.sort_by(|a, b| values[*b].abs().total_cmp(&values[*a].abs()));
        let eigenvalues = order.iter().map(|j| values[*j]).collect();
        let vectors: Vec<f64> =
            order.iter().flat_map(|j| vectors[j * rank..(j + 1) * rank].to_vec()).collect();
        let mut components = multiply(rank, &vectors, &rows);
        components.chunks_mut(n).for_each(fix_sign);
        Some(Tica { lag, mean, eigenvalues, components, instantaneous })
    }

    /// The eigenvalues λ_j, with descending magnitude.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// The implied time scale -τ/ln|λ_j| in frames; `None` if |λ_j| is 0 or at least 1, or if there
    /// is no such component.
    pub fn time_scale(&self, component: usize) -> Option<f64> {
        let magnitude = self.eigenvalues.get(component)?.abs();
        (magnitude > 0.0 && magnitude < 1.0).then(|| -(self.lag as f64) / magnitude.ln())
    }

    /// Writes the first components r_jᵀ (x - m) of a frame with the features `row`. Over the pairs
    /// of the analysis, each has the mean 0 and the variance 1, and they are not correlated. The sign
    /// of a component makes the largest number of r_j positive.
    ///
    /// # Panics
    ///
    /// If there are fewer components than `out` has room for, or another number of features.
    pub fn project_into(&self, row: &[f64], out: &mut [f64]) {
        let n = self.mean.len();
        assert_eq!(row.len(), n, "number of features");
        assert!(out.len() <= self.eigenvalues.len(), "there are fewer components");
        for (out, component) in out.iter_mut().zip(self.components.chunks(n)) {
            let features = row.iter().zip(&self.mean).zip(component);
            *out = features.map(|((x, mean), weight)| weight * (x - mean)).sum();
        }
    }

    /// The correlation of each feature with a component, (C_0 r_j)_i/√(C_0)_ii; `None` for a constant
    /// feature.
    ///
    /// # Panics
    ///
    /// If there is no such component.
    pub fn correlations(&self, component: usize) -> Vec<Option<f64>> {
        let n = self.mean.len();
        let component = &self.components[component * n..(component + 1) * n];
        let of = |(i, row): (usize, &[f64])| {
            let covariance: f64 = row.iter().zip(component).map(|(c, weight)| c * weight).sum();
            (row[i] > 0.0).then(|| covariance / row[i].sqrt())
        };
        self.instantaneous.chunks(n).enumerate().map(of).collect()
    }
}

/// Makes the number with the largest magnitude positive.
fn fix_sign(component: &mut [f64]) {
    let larger = |a: f64, b: &f64| if b.abs() > a.abs() { *b } else { a };
    if component.iter().fold(0.0, larger) < 0.0 {
        component.iter_mut().for_each(|weight| *weight = -*weight);
    }
}
