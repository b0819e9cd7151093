//! Values over the steps of a run, summed up in a bounded number of bins.

/// The most bins of a series. Neighbors are joined when there would be more.
const MOST_BINS: usize = 512;

/// The most values that a distribution keeps.
const MOST_VALUES: usize = 1 << 14;

/// The mean, the smallest and the largest of the values of some steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bin {
    pub(super) first_step: u64,
    /// The last step.
    pub(super) step: u64,
    sum: f64,
    n: u64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Bin {
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.n as f64
    }

    fn join(&mut self, other: &Bin) {
        *self = Bin {
            first_step: self.first_step,
            step: other.step,
            sum: self.sum + other.sum,
            n: self.n + other.n,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        };
    }
}

/// Values in the order of their steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    bins: Vec<Bin>,
    /// The number of steps with values in a full bin, and in the last bin.
    width: u64,
    filled: u64,
}

impl Series {
    /// Adds a value of a step, which is not before the last one. Numbers that are not finite are
    /// left out.
    pub(super) fn add(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let bin = Bin { first_step: step, step, sum: value, n: 1, least: value, most: value };
        self.width = self.width.max(1);
        let is_new = self.bins.last().is_none_or(|last| last.step != step);
        if is_new && self.filled == self.width {
            self.filled = 0;
        }
        match self.bins.last_mut() {
            Some(last) if !(is_new && self.filled == 0) => last.join(&bin),
            _ => self.bins.push(bin),
        }
        self.filled += u64::from(is_new);
        if self.bins.len() > MOST_BINS {
            let pairs = self.bins.chunks(2).map(|pair| {
                let mut joined = pair[0];
                pair[1..].iter().for_each(|bin| joined.join(bin));
                joined
            });
            self.bins = pairs.collect();
            // The last bin was alone: the number of bins is even plus one.
            self.width *= 2;
        }
    }

    pub(super) fn bins(&self) -> &[Bin] {
        &self.bins
    }
}

/// A sample of many values, spread evenly over the rows that they come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    values: Vec<f64>,
    /// About one of 2^k values is kept.
    k: u32,
    seen: u64,
}

impl Values {
    /// Adds a value. Numbers that are not finite are left out.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if is_kept(self.seen, self.k) {
            self.values.push(value);
        }
        self.seen += 1;
        if self.values.len() > MOST_VALUES {
            let mut kept = (0..self.seen).filter(|n| is_kept(*n, self.k));
            self.values.retain(|_| kept.next().is_some_and(|n| is_kept(n, self.k + 1)));
            self.k += 1;
        }
    }

    /// The number of values that are kept.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The fraction of values in each of `n` intervals of equal width, and the ends of the range;
    /// `None` without values.
    pub(super) fn histogram(&self, n: usize, (low, high): (f64, f64)) -> Option<Vec<(f64, f64)>> {
        if self.values.is_empty() || high <= low {
            return None;
        }
        let width = (high - low) / n as f64;
        let mut counts = vec![0_u64; n];
        for value in &self.values {
            let k = ((value - low) / width).max(0.0) as usize;
            counts[k.min(n - 1)] += 1;
        }
        let density = |count: u64| count as f64 / (self.values.len() as f64 * width);
        let center = |k: usize| low + (k as f64 + 0.5) * width;
        Some(counts.iter().enumerate().map(|(k, count)| (center(k), density(*count))).collect())
    }

    /// The smallest and the largest value.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let least = self.values.iter().copied().reduce(f64::min)?;
        let most = self.values.iter().copied().reduce(f64::max)?;
        Some((least, most))
    }
}

/// Whether value `n` is among those of which about one in 2^k is kept. Rows come replica by replica,
/// so a sample of every second value could lack half of the replicas. The multiples of the golden
/// ratio have their fractions spread evenly for the values of every replica.
fn is_kept(n: u64, k: u32) -> bool {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    n.wrapping_mul(GOLDEN).leading_zeros() >= k
}

/// A few of many, from the first to the last.
pub(super) fn spread<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    if all.len() <= most {
        return all;
    }
    let last = all.len() - 1;
    (0..most).map(|k| all[k * last / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_keeps_its_mean_and_its_extremes() {
        let mut series = Series::default();
        let n = 100_000;
        for step in 1..=n {
            // Two replicas.
            series.add(step, step as f64);
            series.add(step, -(step as f64));
        }
        series.add(n + 1, f64::NAN);
        let bins = series.bins();
        assert!(bins.len() > MOST_BINS / 4 && bins.len() <= MOST_BINS, "{}", bins.len());
        assert!(bins.iter().all(|bin| bin.mean() == 0.0 && bin.least == -bin.most));
        assert!(bins.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert_eq!((bins.last().unwrap().step, bins.last().unwrap().most), (n, n as f64));
        let total: u64 = bins.iter().map(|bin| bin.n).sum();
        assert_eq!(total, 2 * n);
        // Full bins have equal numbers of steps.
        assert!(bins[..bins.len() - 1].iter().all(|bin| bin.n == bins[0].n));
    }

    #[test]
    fn a_sample_has_values_of_all_replicas() {
        for n_replicas in [2, 64, 100, 8192] {
            let mut values = Values::default();
            for n in 0..2_000_000 {
                // Even and odd replicas have different values.
                values.add(f64::from(n % n_replicas % 2));
            }
            assert!(values.len() > MOST_VALUES / 4 && values.len() <= MOST_VALUES);
            let histogram = values.histogram(2, (0.0, 2.0)).unwrap();
            assert!((histogram[0].1 - 0.5).abs() < 0.01, "{n_replicas}: {histogram:?}");
            assert!((histogram[1].1 - 0.5).abs() < 0.01, "{n_replicas}: {histogram:?}");
        }
    }

    #[test]
    fn a_distribution_of_many_values_is_a_sample() {
        let mut values = Values::default();
        for k in 0..300_000_u32 {
            // A prime number, so that no regular sample is in step with it.
            values.add(f64::from(k % 997));
        }
        assert!(values.values.len() <= MOST_VALUES);
        assert_eq!(values.range(), Some((0.0, 996.0)));
        let histogram = values.histogram(10, (0.0, 997.0)).unwrap();
        for (center, density) in &histogram {
            // An interval has 99 or 100 of the whole numbers.
            assert!((density * 997.0 - 1.0).abs() < 0.011, "{center}: {density}");
        }
        assert_eq!(Values::default().histogram(3, (0.0, 1.0)), None);
    }
}
