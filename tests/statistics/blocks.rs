use flashschnet::analysis::statistics::blocks::{self, Blocks, Cut, Estimate, Group};

use super::{autoregressive, cut, normals, ratio_of_variances};
use crate::common::assert_close;

fn of(blocks: &Blocks) -> Vec<usize> {
    (0..blocks.samples()).map(|n| blocks.of(n)).collect()
}

/// The mean of the known values.
fn mean(blocks: &Blocks, values: &[f64]) -> Option<Estimate> {
    let mut sums = vec![(0, 0.0); blocks.count()];
    for (n, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let sum = &mut sums[blocks.of(n)];
        *sum = (sum.0 + 1, sum.1 + value);
    }
    blocks::mean(&sums)
}

#[test]
fn blocks_are_pieces_of_trajectories() {
    let blocks = cut(&[6, 3], 3);
    assert_eq!(of(&blocks), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert_eq!(blocks.count(), 3);

    // A short trajectory shares a block with the next one. Blocks differ by one sample.
    let blocks = cut(&[1, 0, 11], 4);
    assert_eq!(of(&blocks), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assert_eq!(of(&cut(&[2, 3], 3)), [0, 0, 1, 1, 2]);

    // Many trajectories share blocks.
    let blocks = cut(&[5; 100], 20);
    assert_eq!((blocks.count(), blocks.samples()), (20, 500));
    assert!((0..500).all(|n| blocks.of(n) == n / 25));
}

/// Trajectories of ladders are cut at the same times, and those of each state for themselves.
#[test]
fn blocks_of_ladders_are_pieces_of_time() {
    use Group::{Ladder, State};
    let trajectories = [
        (Ladder(0), 6),
        (State(3), 2),
        (Ladder(0), 4),
        (State(1), 3),
        (State(3), 4),
        (Ladder(3), 3),
    ];
    let cut = Cut::new(&trajectories, 3);
    let of = |k, n| (0..n).map(|frame| cut.block(k, frame)).collect::<Vec<_>>();
    assert_eq!((of(0, 6), of(2, 4)), (vec![0, 0, 1, 1, 2, 2], vec![0, 0, 1, 1]));
    assert_eq!((of(1, 2), of(4, 4), of(3, 3)), (vec![0, 0], vec![1, 1, 2, 2], vec![0, 1, 2]));
    // A ladder is cut by its own length.
    assert_eq!(of(5, 3), [0, 1, 2]);
}

#[test]
fn odd_numbers_of_blocks_are_no_problem() {
    for about in [0, 1, 5, 1000] {
        for lengths in [&[][..], &[0], &[1], &[3, 1, 0, 2], &[1; 7]] {
            let total: usize = lengths.iter().sum();
            let blocks = cut(lengths, about);
            assert_eq!(blocks.samples(), total);
            assert!(blocks.count() <= total && (total == 0) == (blocks.count() == 0));
        }
    }
    let blocks = Blocks::of_samples(&[7, 3, 7, 100]);
    assert_eq!(of(&blocks), [1, 0, 1, 2]);
    assert_eq!(blocks.equal_weights(Some(1)), [0.0, 0.5, 0.0, 0.5]);
    assert_eq!(blocks.equal_weights(None), [0.25; 4]);
}

#[test]
fn the_error_of_a_mean_is_that_of_block_averages() {
    let values = autoregressive(5, 1200, 0.5);
    let found = mean(&cut(&[1200], 12), &values).expect("known");
    let averages: Vec<f64> = values.chunks(100).map(|x| x.iter().sum::<f64>() / 100.0).collect();
    let mean = averages.iter().sum::<f64>() / 12.0;
    let error = (averages.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (12.0 * 11.0)).sqrt();
    assert_close("mean", &[found.value], &[mean], 1e-12);
    assert_close("error", &[found.error.unwrap()], &[error], 1e-12);
}

/// 400 experiments determine the variance to 7 %. Blocks of 100 samples with a correlation time of
/// 4.5 underestimate it by about 2 · 4.5²/(100 · 9.5) = 4 %. The tolerance is 4 % and three times 7 %.
#[test]
fn errors_are_the_spread_of_experiments() {
    let mean_and_variance = |seed| {
        let x = autoregressive(seed, 2000, 0.8);
        let blocks = cut(&[2000], 20);
        blocks.jackknife(|left_out| {
            let weights = blocks.equal_weights(left_out);
            let mean = |power| weights.iter().zip(&x).map(|(w, x)| w * x.powi(power)).sum::<f64>();
            vec![mean(1), mean(2) - mean(1).powi(2)]
        })
    };
    let experiments: Vec<_> = (0..400).map(mean_and_variance).collect();
    for k in 0..2 {
        let ratio =
            ratio_of_variances(&experiments.iter().map(|e| e[k].unwrap()).collect::<Vec<_>>());
        assert!((ratio - 1.0).abs() < 0.25, "statistic {k}: {ratio}");
    }
}

/// Many short trajectories beside a long one, which must be cut. The tolerance is that of one
/// trajectory.
#[test]
fn errors_of_unequal_trajectories_are_the_spread_of_experiments() {
    let lengths: Vec<usize> = [4000].into_iter().chain([20; 25]).collect();
    let blocks = cut(&lengths, 20);
    let mean = |seed: u64| {
        let of = |(k, n): (usize, &usize)| autoregressive(100 * seed + k as u64, *n, 0.8);
        mean(&blocks, &lengths.iter().enumerate().map(of).collect::<Vec<_>>().concat()).unwrap()
    };
    let ratio = ratio_of_variances(&(0..400).map(mean).collect::<Vec<_>>());
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}");
}

#[test]
fn unknown_numbers_are_none() {
    let one = cut(&[4], 1);
    assert_eq!(mean(&one, &[1.0, 2.0, 3.0, 6.0]), Some(Estimate { value: 3.0, error: None }));
    let two = cut(&[4], 2);
    assert_eq!(mean(&two, &[f64::NAN; 4]), None);
    // Without the second block there is no value.
    let partly = [f64::NAN, f64::NAN, 1.0, 2.0];
    assert_eq!(mean(&two, &partly), Some(Estimate { value: 1.5, error: None }));
    let infinite = [f64::INFINITY, 3.0, f64::NEG_INFINITY, 5.0];
    assert_eq!(mean(&two, &infinite), Some(Estimate { value: 4.0, error: Some(1.0) }));
    assert_eq!(mean(&two, &[2.0; 4]), Some(Estimate { value: 2.0, error: Some(0.0) }));
    assert_eq!(mean(&cut(&[], 5), &[]), None);
    assert_eq!(mean(&two, &normals(1, 4)).map(|found| found.error.is_some()), Some(true));
}
