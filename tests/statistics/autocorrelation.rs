use flashschnet::analysis::statistics::autocorrelation::Autocorrelation;
use serde::Deserialize;

use super::{autoregressive, golden, normals};
use crate::common::assert_close;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    trajectories: Vec<Vec<f64>>,
    inefficiency: f64,
}

fn of(trajectories: &[Vec<f64>]) -> Option<Autocorrelation> {
    Autocorrelation::of(&trajectories.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn equals_pymbar() {
    let golden: Golden = golden("autocorrelation");
    assert_eq!(golden.cases.len(), 4);
    for case in golden.cases {
        let found = of(&case.trajectories).expect("known");
        assert_close("g", &[found.inefficiency], &[case.inefficiency], 1e-12);
        assert_eq!(found.samples, case.trajectories.concat().len());
    }
}

/// g = (1 + a)/(1 - a). The sum over C(t) ends near W = 60 steps, so that its relative error is
/// √(2 (2W + 1)/N) = 2 %; the tolerance is four times as large.
#[test]
fn finds_the_time_of_an_autoregressive_process() {
    let trajectories: Vec<_> = (0..4).map(|seed| autoregressive(seed, 1 << 17, 0.9)).collect();
    let found = of(&trajectories).expect("known");
    assert_close("g", &[found.inefficiency], &[19.0], 0.08);
    assert_close("time", &[found.time(0.5)], &[4.5], 0.08);
    assert_close("independent samples", &[found.independent_samples()], &[524288.0 / 19.0], 0.08);

    let one = of(&trajectories[..1]).expect("known");
    // One trajectory has four times the variance.
    assert_close("g of one", &[one.inefficiency], &[19.0], 0.16);
}

/// Short trajectories beside a long one. The average of 20 estimates, each with the relative error
/// √(2 (2W + 1)/N) = 15 % for W = 300 steps, has an error of 3.4 %; the tolerance is three times as
/// large.
#[test]
fn the_pairs_of_short_trajectories_count() {
    const A: f64 = 0.98;
    let lengths: Vec<usize> = [20_000].into_iter().chain([20; 300]).collect();
    let g = |seed: u64| {
        let series = |(k, n): (usize, &usize)| autoregressive(1000 * seed + k as u64, *n, A);
        let all: Vec<_> = lengths.iter().enumerate().map(series).collect();
        of(&all).expect("known").inefficiency
    };
    let pairs = |t: usize| lengths.iter().map(|n| n.saturating_sub(t)).sum::<usize>() as f64;
    let share = |t: usize| pairs(t) / pairs(0) * A.powi(t as i32);
    let exact = 1.0 + 2.0 * (1..2000).map(share).sum::<f64>();
    let found = (0..20).map(g).sum::<f64>() / 20.0;
    assert_close("g", &[found], &[exact], 0.1);
}

#[test]
fn a_shift_of_the_values_changes_nothing() {
    let plain = autoregressive(3, 1000, 0.8);
    let shifted: Vec<f64> = plain.iter().map(|x| x + 1e6).collect();
    let g = |x| of(&[x]).expect("known").inefficiency;
    // The values themselves lose 1e6 times their precision.
    assert_close("g", &[g(shifted)], &[g(plain)], 1e-8);
}

/// A fifth of the samples is unknown. Each sample then has pairs with 80 % of the others, so that
/// g = 1 + 0.8 · 18. The error is 4 %, see above; the tolerance is three times as large.
#[test]
fn unknown_samples_are_gaps() {
    let plain = autoregressive(3, 1 << 17, 0.9);
    let is_unknown = normals(4, plain.len()).into_iter().map(|z| z > 0.8416);
    let unknown = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().cycle();
    let with_gaps: Vec<f64> = plain
        .iter()
        .zip(is_unknown.zip(unknown))
        .map(|(x, (is_unknown, unknown))| if is_unknown { unknown } else { *x })
        .collect();
    let samples = with_gaps.iter().filter(|x| x.is_finite()).count();
    let found = of(&[with_gaps]).expect("known");
    assert_eq!(found.samples, samples);
    assert_close("g", &[found.inefficiency], &[1.0 + 0.8 * 18.0], 0.12);

    // Unknown samples at the ends change nothing.
    let longer = [vec![f64::NAN; 5], plain.clone(), vec![f64::NAN; 70]].concat();
    let [plain, longer] = [plain, longer].map(|x| of(&[x]).expect("known"));
    assert_close("g", &[longer.inefficiency], &[plain.inefficiency], 1e-12);
    assert_eq!(longer.samples, plain.samples);
}

#[test]
fn is_unknown_without_fluctuations() {
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[vec![]]), None);
    assert_eq!(of(&[vec![1.5]]), None);
    assert_eq!(of(&[vec![0.1; 100]]), None);
    assert_eq!(of(&[vec![0.1; 7], vec![], vec![0.1; 3]]), None);
    assert_eq!(of(&[vec![1.0, f64::NAN, f64::INFINITY]]), None);
    assert_eq!(of(&[vec![f64::NAN; 10]]), None);
    // Two samples tell nothing of correlation, as in pymbar.
    assert_eq!(of(&[vec![1.0, 2.0]]), Some(Autocorrelation { inefficiency: 1.0, samples: 2 }));
    let empty_ones = of(&[vec![], normals(1, 50), vec![]]);
    assert!(empty_ones.is_some() && empty_ones == of(&[normals(1, 50)]));
}
