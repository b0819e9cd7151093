//! Ladders with equal acceptance between neighboring states.

use super::ladder::{Exchange, Exchanged, Ladder};
use crate::error::{Error, Result};

impl Exchange {
    /// Ladders with other temperatures between the lowest and the highest, so that neighboring
    /// states exchange with equal acceptance, as far as the tries of `exchanged` tell.
    ///
    /// Two states whose energies have Gaussian distributions exchange with the acceptance
    /// A = erfc(s / √8), where s is the difference of β in units of its uncertainty
    /// (Predescu, Predescu and Ciobanu 2004). s adds up along a ladder, so the new states divide
    /// its length equally. Between two old states, ln β is a linear function of the length. A few
    /// rounds of tries and tuning converge, since equal acceptance changes nothing. A ladder stays
    /// as it is while a pair of neighbors has no tries.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a ladder whose temperatures neither rise nor fall from state to
    /// state.
    pub fn equalized(&self, exchanged: &Exchanged) -> Result<Exchange> {
        let mut tuned = self.clone();
        for (l, ladder) in tuned.ladders.iter_mut().enumerate() {
            let order = |falls: bool| ladder.beta.is_sorted_by(|a, b| a != b && (a > b) == falls);
            if !order(true) && !order(false) {
                let expected = "temperatures that rise from state to state";
                return Err(Error::invalid(format!("ladders[{l}].beta"), "others", expected));
            }
            if let Some(lengths) = lengths(ladder, self.tally(exchanged, l)) {
                ladder.beta = divided(&ladder.beta, &lengths);
            }
        }
        Ok(tuned)
    }

    /// `exchanged` with all counts of tries and ends as at a start. The walkers keep their states.
    pub fn uncounted(&self, exchanged: &Exchanged) -> Exchanged {
        Exchanged {
            ends: exchanged.label.iter().map(|label| u32::from(*label == 0)).collect(),
            tally: vec![0; exchanged.tally.len()],
            ..exchanged.clone()
        }
    }
}

/// The length of the ladder up to each state, or `None` if a pair of neighbors has no tries.
fn lengths(ladder: &Ladder, tally: &[u32]) -> Option<Vec<f64>> {
    let n = ladder.n_states();
    let mut lengths = vec![0.0];
    for k in 1..n {
        let accepted = f64::from(tally[(k - 1) * n + k]);
        let tries = accepted + f64::from(tally[k * n + k - 1]);
        if tries == 0.0 {
            return None;
        }
        // Never 0 or 1, whose lengths would be infinite or 0.
        let acceptance = (accepted + 0.5) / (tries + 1.0);
        lengths.push(lengths[k - 1] + 8f64.sqrt() * inverse_erfc(acceptance));
    }
    Some(lengths)
}

/// Inverse temperatures that divide a ladder into equal lengths.
fn divided(beta: &[f64], lengths: &[f64]) -> Vec<f64> {
    let last = beta.len() - 1;
    let mut divided = beta.to_vec();
    for (j, beta_j) in divided.iter_mut().enumerate().take(last).skip(1) {
        let length = lengths[last] * j as f64 / last as f64;
        let k = lengths.partition_point(|l| *l <= length).clamp(1, last);
        let part = (length - lengths[k - 1]) / (lengths[k] - lengths[k - 1]);
        let (from, to) = (beta[k - 1].ln(), beta[k].ln());
        *beta_j = (from + part * (to - from)).exp();
    }
    divided
}

/// x > 0 with erfc(x) = y, for y in (0, 1), by bisection.
fn inverse_erfc(y: f64) -> f64 {
    // erfc(27) is the smallest f64.
    let (mut low, mut high) = (0.0, 27.0);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if libm::erfc(middle) > y { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Mixing, geometric};

    /// Tries with the acceptance of Gaussian energies with a constant heat capacity C, where
    /// σ = √C k_B T.
    fn tried(exchange: &Exchange, heat_capacity: f64) -> Exchanged {
        let mut exchanged = exchange.start(exchange.ladders[0].n_states());
        let beta = &exchange.ladders[0].beta;
        let n = beta.len();
        for k in 1..n {
            let spread = heat_capacity.sqrt() * (beta[k - 1].recip() + beta[k].recip()) / 2.0;
            let acceptance = libm::erfc(spread * (beta[k - 1] - beta[k]).abs() / 2.0);
            let accepted = (1e8 * acceptance).round() as u32;
            exchanged.tally[(k - 1) * n + k] = accepted;
            exchanged.tally[k * n + k - 1] = 100_000_000 - accepted;
        }
        exchanged
    }

    #[test]
    fn any_ladder_becomes_that_of_equal_acceptance() {
        let n = 6;
        let geometric = geometric(300.0, 450.0, n).unwrap();
        let (low, high) = (geometric[0], geometric[n - 1]);
        // Linear in β, and most states near one end.
        for power in [1.0, 3.0] {
            let part = |k: usize| (k as f64 / (n - 1) as f64).powf(power);
            let beta: Vec<f64> = (0..n).map(|k| low + (high - low) * part(k)).collect();
            let mut exchange = Exchange::copies(Mixing::Neighbors, &beta, 1);
            for _ in 0..4 {
                exchange = exchange.equalized(&tried(&exchange, 50.0)).unwrap();
            }
            let found = &exchange.ladders[0].beta;
            assert_eq!((found[0], found[n - 1]), (low, high));
            // With a constant heat capacity the acceptance depends on the ratio of temperatures.
            for (found, expected) in found.iter().zip(&geometric) {
                assert!((found / expected - 1.0).abs() < 1e-3, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn ladders_without_tries_stay_and_disordered_ones_are_refused() {
        let exchange = Exchange::copies(Mixing::Neighbors, &[1.7, 1.5, 1.4], 2);
        let start = exchange.start(6);
        assert_eq!(exchange.equalized(&start).unwrap(), exchange);
        let exchange = Exchange::copies(Mixing::Neighbors, &[1.7, 1.4, 1.5], 1);
        let error = exchange.equalized(&exchange.start(3)).unwrap_err().to_string();
        assert!(error.starts_with("ladders[0].beta: "), "{error}");
    }
}
