//! Sums over pairs of frames with a distance in time.
//!
//! With u = x_t + x_(t+τ) and v = x_t - x_(t+τ), the sums of u uᵀ and v vᵀ contain both covariances:
//! C_0 is a quarter of their sum, and C_τ of their difference. Both are symmetric, so they need half
//! of the products. A slow direction has small v, so 1 - λ keeps its digits.

use rayon::prelude::*;

use super::super::add;
use super::super::blocks::{Estimate, estimates};
use super::components::{Moments, Tica};
use crate::error::{Error, Result};

/// The number of frames that are added at once.
const BATCH: usize = 256;
/// The number of rows and columns of products that are summed in registers.
const WIDTH: usize = 4;

/// Covariances of features over pairs of frames, for several lags and blocks.
///
/// The memory for n features is 8 n (n + 1) bytes for each lag and block, and 8 n bytes for each
/// frame of the longest lag.
#[derive(Debug, Clone)]
pub struct Covariances {
    features: usize,
    lags: Vec<usize>,
    /// The first frame. Differences from it keep their digits.
    origin: Option<Vec<f64>>,
    /// The latest frames of the present trajectory, as many as the longest lag.
    latest: Vec<f64>,
    /// The sums of each block and lag.
    sums: Vec<Vec<Sums>>,
}

/// Sums over the pairs of a block.
#[derive(Debug, Clone)]
struct Sums {
    pairs: f64,
    /// Σ u.
    sum: Vec<f64>,
    /// Σ u uᵀ and Σ v vᵀ, the lower triangles row after row.
    products: [Vec<f64>; 2],
}

impl Covariances {
    /// No frames yet. The lags count frames.
    ///
    /// # Errors
    ///
    /// If there are no features, or a lag is 0.
    pub fn new(features: usize, lags: &[usize]) -> Result<Covariances> {
        if features == 0 {
            return Err(Error::invalid("number of features", 0, "at least 1"));
        }
        if lags.contains(&0) {
            return Err(Error::invalid("lag", 0, "at least 1 frame"));
        }
        let (lags, latest) = (lags.to_vec(), Vec::new());
        Ok(Covariances { features, lags, origin: None, latest, sums: Vec::new() })
    }

    /// A new trajectory, or one that continues after a gap. No pair crosses it.
    pub fn begin(&mut self) {
        self.latest.clear();
    }

    /// Adds the pairs of the next frames of a trajectory with all frames before them. `rows` has the
    /// features of each frame, frame after frame; many frames at once are faster than one. A pair
    /// belongs to the block of its later frame. A frame with a number that is not finite is a gap.
    ///
    /// The number of threads changes no bit. Other lengths of `rows` change rounding errors only.
    ///
    /// # Panics
    ///
    /// If the last frame is not complete.
    pub fn push(&mut self, block: usize, rows: &[f64]) {
        let n = self.features;
        assert!(rows.len().is_multiple_of(n), "frames are complete");
        while self.sums.len() <= block {
            self.sums.push(self.lags.iter().map(|_| Sums::new(n)).collect());
        }
        let is_finite = |row: &&[f64]| row.iter().all(|x| x.is_finite());
        let mut rest = rows;
        while !rest.is_empty() {
            let frames = rest.chunks(n).take(BATCH).take_while(is_finite).count();
            let (batch, after) = rest.split_at(frames * n);
            if frames == 0 {
                self.begin();
                rest = &after[n..];
            } else {
                self.add(block, batch);
                rest = after;
            }
        }
    }

    fn add(&mut self, block: usize, batch: &[f64]) {
        let n = self.features;
        let first = self.latest.len() / n;
        let origin = self.origin.get_or_insert_with(|| batch[..n].to_vec());
        let shifted = batch.chunks(n).flat_map(|row| row.iter().zip(&*origin).map(|(x, o)| x - o));
        self.latest.extend(shifted);
        let frames = &self.latest;
        self.sums[block].par_iter_mut().zip(&self.lags).for_each(|(sums, lag)| {
            // The frames of the batch that have a partner.
            let later = &frames[(n * first.max(*lag)).min(frames.len())..];
            let earlier = &frames[n * first.saturating_sub(*lag)..];
            sums.add(n, later, earlier);
        });
        let longest = self.lags.iter().copied().max().unwrap_or(0);
        let old = (self.latest.len() / n).saturating_sub(longest);
        self.latest.drain(..old * n);
    }

    /// The components at the lag with the index `lag`, with the limit `epsilon` of eigenvalues of
    /// C_0 ([`super::EPSILON`]). `None` if there are no pairs, or if all features are constant.
    ///
    /// # Panics
    ///
    /// If there is no such lag.
    pub fn tica(&self, lag: usize, epsilon: f64) -> Option<Tica> {
        Tica::new(self.lags[lag], self.moments(lag, None)?, epsilon)
    }

    /// The first `count` implied time scales of each lag in frames, with jackknife errors.
    pub fn time_scales(&self, count: usize, epsilon: f64) -> Vec<Vec<Option<Estimate>>> {
        let of_lag = |lag: usize| {
            let used = |block: &usize| self.sums[*block][lag].pairs > 0.0;
            let blocks = (0..self.sums.len()).filter(used).map(Some);
            let of_block = |block: Option<usize>| -> Vec<f64> {
                let moments = self.moments(lag, block);
                let tica = moments.and_then(|found| Tica::new(self.lags[lag], found, epsilon));
                let time_scale = |k| tica.as_ref().and_then(|tica| tica.time_scale(k));
                (0..count).map(|k| time_scale(k).unwrap_or(f64::NAN)).collect()
            };
            let blocks: Vec<_> = [None].into_iter().chain(blocks).collect();
            let values: Vec<_> = blocks.into_par_iter().map(of_block).collect();
            estimates(&values[0], &values[1..])
        };
        (0..self.lags.len()).map(of_lag).collect()
    }

    fn moments(&self, lag: usize, left_out: Option<usize>) -> Option<Moments> {
        let kept = self.sums.iter().enumerate().filter(|(block, _)| Some(*block) != left_out);
        let mut all = Sums::new(self.features);
        kept.for_each(|(_, sums)| all.join(&sums[lag]));
        let n = self.features;
        let origin = self.origin.as_ref().filter(|_| all.pairs > 0.0)?;
        let mean: Vec<f64> = all.sum.iter().map(|sum| sum / (2.0 * all.pairs)).collect();
        let matrix = |sign: f64| {
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let [plus, minus] = all.products.each_ref().map(|p| p[i * (i + 1) / 2 + j]);
                    let product = (plus + sign * minus) / (4.0 * all.pairs) - mean[i] * mean[j];
                    (matrix[i * n + j], matrix[j * n + i]) = (product, product);
                }
            }
            matrix
        };
        let (instantaneous, lagged) = (matrix(1.0), matrix(-1.0));
        let mean = mean.iter().zip(origin).map(|(mean, origin)| mean + origin).collect();
        Some(Moments { mean, instantaneous, lagged })
    }
}

impl Sums {
    fn new(n: usize) -> Self {
        let products = [(); 2].map(|()| vec![0.0; n * (n + 1) / 2]);
        Sums { pairs: 0.0, sum: vec![0.0; n], products }
    }

    fn join(&mut self, other: &Sums) {
        self.pairs += other.pairs;
        add(&mut self.sum, &other.sum);
        for (all, own) in self.products.iter_mut().zip(&other.products) {
            add(all, own);
        }
    }

    /// Adds pairs of frames, as many as there are later ones.
    fn add(&mut self, n: usize, later: &[f64], earlier: &[f64]) {
        let pairs = later.len() / n;
        self.pairs += pairs as f64;
        for (x, y) in later.chunks(n).zip(earlier.chunks(n)) {
            self.sum.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x + y);
        }
        for (products, sign) in self.products.iter_mut().zip([1.0, -1.0]) {
            // Column after column, so that products of columns read memory in order.
            let value = |i: usize| later.get(i).map_or(0.0, |x| x + sign * earlier[i]);
            let column = |first: usize| {
                let row = move |t: usize| {
                    let at = |k: usize| if first + k < n { value(t * n + first + k) } else { 0.0 };
                    std::array::from_fn(at)
                };
                (0..pairs).map(row)
            };
            let columns: Vec<[f64; WIDTH]> = (0..n).step_by(WIDTH).flat_map(column).collect();
            add_products(n, pairs, products, &columns);
        }
    }
}

/// Adds the products of all columns to the lower triangle.
fn add_products(n: usize, rows: usize, products: &mut [f64], columns: &[[f64; WIDTH]]) {
    if rows == 0 {
        return;
    }
    for (a, left) in columns.chunks_exact(rows).enumerate() {
        for (b, right) in columns.chunks_exact(rows).take(a + 1).enumerate() {
            let mut tile = [[0.0; WIDTH]; WIDTH];
            for (x, y) in left.iter().zip(right) {
                for i in 0..WIDTH {
                    for j in 0..WIDTH {
                        tile[i][j] += x[i] * y[j];
                    }
                }
            }
            for i in WIDTH * a..n.min(WIDTH * (a + 1)) {
                for j in WIDTH * b..=i.min(WIDTH * b + WIDTH - 1) {
                    products[i * (i + 1) / 2 + j] += tile[i - WIDTH * a][j - WIDTH * b];
                }
            }
        }
    }
}
