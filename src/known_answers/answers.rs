//! Answers: quantities with their numbers, as text and compared.

#[cfg(test)]
use std::fmt::Write;

use crate::engine::Precision;
use crate::random::Draw;

/// The answers of the f64 reference: the part, the quantity, and its numbers.
pub(super) const KNOWN: &str = include_str!("answers.txt");

/// A quantity that an experiment found.
#[derive(Debug)]
pub(super) struct Answer {
    what: String,
    values: Vec<f64>,
    kind: Kind,
}

/// The way in which a quantity is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Equal numbers.
    Count,
    /// Numbers of one size, compared with a fraction of the largest one.
    Exact,
    /// The same, of a network or of steps under its forces. In mixed precision they have its errors.
    OfNetwork,
}

/// The sums of a vector quantity.
const SUMS: usize = 4;

const SEED: u64 = 7;

impl Answer {
    pub(super) fn count(what: impl Into<String>, values: impl IntoIterator<Item = u64>) -> Self {
        let values = values.into_iter().map(|n| n as f64).collect();
        Answer { what: what.into(), values, kind: Kind::Count }
    }

    pub(super) fn numbers(what: impl Into<String>, values: Vec<f64>) -> Self {
        Answer { what: what.into(), values, kind: Kind::Exact }
    }

    /// The norm of all vectors, and sums of their components with random signs.
    pub(super) fn vectors<'a>(
        what: impl Into<String>,
        vectors: impl IntoIterator<Item = &'a [f64; 3]>,
    ) -> Self {
        let components: Vec<f64> = vectors.into_iter().flatten().copied().collect();
        let mut values = vec![components.iter().map(|x| x * x).sum::<f64>().sqrt()];
        let mut draw = Draw::new(SEED);
        for _ in 0..SUMS {
            let signs = draw.uniform(components.len(), 1.0);
            values.push(components.iter().zip(signs).map(|(x, sign)| x * sign.signum()).sum());
        }
        Answer::numbers(what, values)
    }

    /// The answer as one that has the errors of a network.
    pub(super) fn of_network(self) -> Self {
        Answer { kind: Kind::OfNetwork, ..self }
    }

    /// The largest difference from the known numbers that an engine of this precision may have.
    fn tolerance(&self, precision: Precision, known: &[f64]) -> f64 {
        let fraction = match (self.kind, precision) {
            (Kind::Count, _) => 0.0,
            (Kind::OfNetwork, Precision::Mixed) => 1e-2,
            (Kind::Exact | Kind::OfNetwork, _) => 1e-4,
        };
        fraction
            * known.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()))
    }
}

/// The lines of a part.
fn lines<'a>(text: &'a str, part: &str) -> impl Iterator<Item = (&'a str, Vec<f64>)> {
    let start = format!("{part}, ");
    text.lines().filter_map(move |line| {
        let (what, numbers) = line.strip_prefix(&start)?.rsplit_once(':')?;
        let number = |word: &str| word.parse().expect("the file has numbers");
        Some((what, numbers.split_whitespace().map(number).collect()))
    })
}

/// The first answer that is not the known one, as a message.
pub(super) fn first_difference(
    part: &str,
    found: &[Answer],
    precision: Precision,
) -> Option<String> {
    let mut known = lines(KNOWN, part);
    found.iter().find_map(|answer| {
        let (what, known) = known.next().expect("the file has all answers");
        assert_eq!(what, answer.what, "the order of answers");
        let tolerance = answer.tolerance(precision, &known);
        let is_known =
            |(x, y): (&f64, &f64)| (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance;
        let same_length = answer.values.len() == known.len();
        let wrong = answer.values.iter().zip(&known).position(|pair| !is_known(pair));
        match wrong {
            None if same_length => None,
            None => Some(format!("{what}: {} numbers, not {}", answer.values.len(), known.len())),
            Some(k) => {
                let (found, known) = (answer.values[k], known[k]);
                Some(format!(
                    "{what}: found {found:.7}, expected {known:.7} within {tolerance:.1e}"
                ))
            }
        }
    })
}

/// The lines of a part with these answers.
#[cfg(test)]
pub(super) fn write(part: &str, answers: &[Answer]) -> String {
    let mut text = String::new();
    for Answer { what, values, .. } in answers {
        write!(text, "{part}, {what}:").expect("a string takes everything");
        for value in values {
            write!(text, " {value:.10}").expect("a string takes everything");
        }
        text.push('\n');
    }
    text
}

/// Compares two files of answers number by number, relative to the largest number of a line.
#[cfg(test)]
pub(super) fn assert_same(found: &str, known: &str, tolerance: f64) {
    assert_eq!(found.lines().count(), known.lines().count(), "lines");
    for (found, known) in found.lines().zip(known.lines()) {
        let parts = |line: &str| -> (String, Vec<f64>) {
            let (what, numbers) = line.rsplit_once(':').expect("a quantity");
            let number = |word: &str| word.parse().expect("a number");
            (what.to_owned(), numbers.split_whitespace().map(number).collect())
        };
        let ((what, found), (expected, known)) = (parts(found), parts(known));
        assert_eq!((&what, found.len()), (&expected, known.len()));
        let most =
            known.iter().filter(|x| x.is_finite()).fold(1e-3, |most: f64, x| most.max(x.abs()));
        for (found, known) in found.into_iter().zip(known) {
            let same =
                (found.is_nan() && known.is_nan()) || (found - known).abs() <= tolerance * most;
            assert!(same, "{what}: {found} {known}");
        }
    }
}
