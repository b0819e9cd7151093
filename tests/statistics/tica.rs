use flashschnet::analysis::statistics::blocks::Estimate;
use flashschnet::analysis::statistics::tica::{Covariances, EPSILON, Tica};
use serde::Deserialize;

use super::{assert_within, autoregressive, golden, normals, ratio_of_variances};
use crate::common::assert_close;

#[derive(Deserialize)]
struct Golden {
    trajectories: Vec<Vec<Vec<f64>>>,
    lags: Vec<usize>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    eigenvalues: Vec<f64>,
    time_scales: Vec<f64>,
    correlations: Vec<Vec<f64>>,
    projected: Vec<Vec<f64>>,
}

fn covariances(trajectories: &[Vec<Vec<f64>>], lags: &[usize]) -> Covariances {
    let mut covariances = Covariances::new(trajectories[0][0].len(), lags).unwrap();
    for (block, trajectory) in trajectories.iter().enumerate() {
        covariances.begin();
        covariances.push(block, &trajectory.concat());
    }
    covariances
}

/// The tolerance relative to the eigenvalues of C_0, of which the smallest is 1e-4 of the largest.
const GOLDEN: f64 = 1e-10;

#[test]
fn equals_deeptime() {
    let Golden { trajectories, lags, models } = golden("tica");
    let covariances = covariances(&trajectories, &lags);
    assert_eq!(models.len(), 3);
    for (k, model) in models.iter().enumerate() {
        let found = covariances.tica(k, EPSILON).expect("known");
        let rank = model.eigenvalues.len();
        assert!(rank < trajectories[0][0].len(), "one feature is a sum of others");
        assert_close("eigenvalues", found.eigenvalues(), &model.eigenvalues, GOLDEN);
        let time_scales: Vec<f64> = (0..rank).map(|j| found.time_scale(j).unwrap()).collect();
        assert_close("time scales", &time_scales, &model.time_scales, GOLDEN);
        assert_eq!(found.time_scale(rank), None);
        for (j, exact) in model.correlations.iter().enumerate() {
            let own: Vec<f64> = found.correlations(j).into_iter().map(Option::unwrap).collect();
            assert_close("correlations", &own, exact, 1e-8);
        }
        for (row, exact) in trajectories[0].iter().zip(&model.projected) {
            let mut own = vec![0.0; rank];
            found.project_into(row, &mut own);
            assert_close("projection", &own, exact, 1e-8);
        }
    }
}

/// Frames of independent processes with these coefficients, seen through a mixing matrix.
fn mixed(seed: u64, n: usize, coefficients: &[f64]) -> Vec<f64> {
    let k = coefficients.len();
    let process = |(i, a): (usize, &f64)| autoregressive(100 * seed + i as u64, n, *a);
    let processes: Vec<_> = coefficients.iter().enumerate().map(process).collect();
    let mix = normals(99, k * k);
    let feature = |t: usize, j: usize| -> f64 {
        processes.iter().enumerate().map(|(i, x)| mix[j * k + i] * x[t]).sum()
    };
    (0..n).flat_map(|t| (0..k).map(|j| feature(t, j) + 50.0).collect::<Vec<_>>()).collect()
}

/// An Ornstein-Uhlenbeck process with the relaxation time T in frames is an autoregressive process
/// with the coefficient exp(-1/T). Its time scale is T at every lag.
#[test]
fn finds_the_time_scales_of_ornstein_uhlenbeck_processes() {
    const EXACT: [f64; 3] = [40.0, 12.0, 4.0];
    const FRAMES: usize = 120_000;
    let frames = mixed(1, FRAMES, &EXACT.map(|t| (-1.0 / t).exp()));
    let mut covariances = Covariances::new(3, &[1, 2, 5]).unwrap();
    for (block, rows) in frames.chunks(3 * FRAMES / 20).enumerate() {
        covariances.push(block, rows);
    }
    for time_scales in covariances.time_scales(4, EPSILON) {
        for (k, exact) in EXACT.iter().enumerate() {
            assert_within("time scale", time_scales[k], *exact, 3.0);
            assert!(time_scales[k].unwrap().error.unwrap() < 0.1 * exact);
        }
        assert_eq!(time_scales[3], None);
    }
    // Projections have the mean 0, the variance 1 and no correlation.
    let tica = covariances.tica(0, EPSILON).unwrap();
    let mut moments = [0.0; 5];
    for row in frames.chunks(3) {
        let mut y = [0.0; 2];
        tica.project_into(row, &mut y);
        let products = [y[0], y[1], y[0] * y[0], y[1] * y[1], y[0] * y[1]];
        moments.iter_mut().zip(products).for_each(|(sum, x)| *sum += x / FRAMES as f64);
    }
    // The first and the last frame are in one pair only.
    assert_close("moments", &moments, &[0.0, 0.0, 1.0, 1.0, 0.0], 1e-3);
}

/// 300 experiments determine a variance to 8 %; the tolerance is three times as large.
#[test]
fn errors_are_the_spread_of_experiments() {
    let experiment = |seed| {
        let mut covariances = Covariances::new(2, &[2]).unwrap();
        for (block, rows) in mixed(seed, 4000, &[0.8, 0.3]).chunks(2 * 200).enumerate() {
            covariances.push(block, rows);
        }
        covariances.time_scales(1, EPSILON)[0][0].unwrap()
    };
    let ratio = ratio_of_variances(&(0..300).map(experiment).collect::<Vec<_>>());
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}");
}

fn all(tica: &Tica) -> Vec<f64> {
    let correlations = (0..tica.eigenvalues().len()).flat_map(|j| tica.correlations(j));
    tica.eigenvalues().iter().copied().chain(correlations.map(Option::unwrap)).collect()
}

#[test]
fn pieces_of_a_trajectory_are_one_trajectory() {
    let frames = mixed(2, 700, &[0.9, 0.5, 0.2]);
    let of = |pieces: usize| {
        let mut covariances = Covariances::new(3, &[1, 300]).unwrap();
        frames.chunks(3 * pieces).for_each(|rows| covariances.push(0, rows));
        [0, 1].map(|lag| all(&covariances.tica(lag, EPSILON).unwrap())).concat()
    };
    let whole = of(700);
    for pieces in [1, 13, 256, 257, 699] {
        assert_close("pieces", &of(pieces), &whole, 1e-10);
    }
}

#[test]
fn no_pair_crosses_a_gap() {
    let frames = mixed(2, 400, &[0.9, 0.5]);
    let (first, second) = frames.split_at(2 * 250);
    let mut apart = Covariances::new(2, &[3]).unwrap();
    apart.push(0, first);
    apart.begin();
    apart.push(0, second);
    let apart = apart.tica(0, EPSILON).unwrap();

    let mut unknown = Covariances::new(2, &[3]).unwrap();
    unknown.push(0, &[first, &[f64::NAN, 1.0], second].concat());
    assert_eq!(unknown.tica(0, EPSILON).unwrap(), apart);

    let mut through = Covariances::new(2, &[3]).unwrap();
    through.push(0, &frames);
    assert!(through.tica(0, EPSILON).unwrap() != apart);
}

#[test]
fn odd_input_is_an_error_or_unknown() {
    let message =
        |features, lags: &[usize]| Covariances::new(features, lags).unwrap_err().to_string();
    assert!(message(0, &[1]).starts_with("number of features: found 0"));
    assert!(message(3, &[1, 0]).starts_with("lag: found 0"));

    // Fewer frames than the lag, and constant features.
    let mut covariances = Covariances::new(2, &[1, 5]).unwrap();
    assert_eq!(covariances.time_scales(2, EPSILON), vec![vec![None; 2]; 2]);
    covariances.push(0, &[0.3; 10]);
    assert_eq!((covariances.tica(0, EPSILON), covariances.tica(1, EPSILON)), (None, None));
    assert_eq!(covariances.time_scales(2, EPSILON), vec![vec![None; 2]; 2]);

    // One of two features is constant.
    let mut covariances = Covariances::new(2, &[1]).unwrap();
    let values = autoregressive(4, 100, 0.6);
    covariances.push(7, &values.iter().flat_map(|x| [0.1, *x]).collect::<Vec<_>>());
    let tica = covariances.tica(0, EPSILON).unwrap();
    assert_eq!(tica.eigenvalues().len(), 1);
    let correlations = tica.correlations(0);
    assert!(correlations[0].is_none() && (correlations[1].unwrap() - 1.0).abs() < 1e-12);
    // One block has no error.
    let found = covariances.time_scales(1, EPSILON)[0][0].unwrap();
    assert_eq!(found, Estimate { value: tica.time_scale(0).unwrap(), error: None });

    // Values that alternate have the eigenvalue -1.
    let mut covariances = Covariances::new(1, &[1]).unwrap();
    covariances.push(0, &[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
    let tica = covariances.tica(0, EPSILON).unwrap();
    assert_close("eigenvalue", tica.eigenvalues(), &[-1.0], 1e-12);
}

/// The shortest analysis has 20 frames. Their differences from the mean span 19 directions.
#[test]
fn there_may_be_fewer_frames_than_features() {
    for seed in 0..12 {
        let rows = normals(seed, 20 * 128);
        let mut covariances = Covariances::new(128, &[1]).unwrap();
        covariances.push(0, &rows);
        let found = covariances.tica(0, EPSILON).expect("known");
        assert_eq!(found.eigenvalues().len(), 19, "seed {seed}");
        assert!(found.eigenvalues().iter().all(|value| value.abs() <= 1.0 + 1e-10));
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let frames = mixed(6, 3000, &[0.9, 0.7, 0.5, 0.3, 0.1]);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut covariances = Covariances::new(5, &[1, 2, 3]).unwrap();
            let blocks = frames.chunks(5 * 500).enumerate();
            blocks.for_each(|(block, rows)| covariances.push(block, rows));
            (covariances.tica(1, EPSILON).unwrap(), covariances.time_scales(3, EPSILON))
        })
    };
    let one = with(1);
    assert!(one == with(2) && one == with(7));
}
