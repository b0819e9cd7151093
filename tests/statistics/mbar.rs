use std::ops::Range;

use flashschnet::analysis::statistics::blocks::{Blocks, Estimate};
use flashschnet::analysis::statistics::mbar::{Mbar, Potentials, Weights};
use flashschnet::units::{BOLTZMANN, beta};
use serde::Deserialize;

use super::{assert_within, cut, golden, normals, ratio_of_variances};
use crate::common::assert_close;

#[derive(Deserialize)]
struct Golden {
    matrix: Matrix,
    ladder: Ladder,
}

#[derive(Deserialize)]
struct Solution {
    free_energies: Vec<f64>,
    mean: f64,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
struct Matrix {
    x: Vec<f64>,
    centers: Vec<f64>,
    constants: Vec<f64>,
    counts: Vec<usize>,
    target: [f64; 2],
    #[serde(flatten)]
    solution: Solution,
}

#[derive(Deserialize)]
struct Ladder {
    temperatures: Vec<f64>,
    samples_per_state: usize,
    target: f64,
    energies: Vec<f64>,
    #[serde(flatten)]
    solution: Solution,
}

fn values(found: &[Option<Estimate>]) -> Vec<f64> {
    found.iter().map(|found| found.expect("known").value).collect()
}

/// The state of each sample, for states one after the other.
fn origins(counts: &[usize]) -> Vec<usize> {
    counts.iter().enumerate().flat_map(|(k, n)| std::iter::repeat_n(k, *n)).collect()
}

fn mean(weights: &[f64], values: &[f64]) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}

/// pymbar stops at a relative change of 1e-14 of free energies, which its own rounding errors limit
/// to about 1e-11.
const GOLDEN: f64 = 1e-10;

impl Solution {
    fn compare(&self, mbar: &Mbar, target: impl Fn(usize) -> f64 + Sync, values_of: &[f64]) {
        assert_close("f_k", &values(&mbar.free_energies()), &self.free_energies, GOLDEN);
        let weights = mbar.weights().at(target);
        assert_close("weights", &weights, &self.weights, GOLDEN);
        assert_close("mean", &[mean(&weights, values_of)], &[self.mean], GOLDEN);
    }
}

#[test]
fn equals_pymbar() {
    let Golden { matrix, ladder } = golden("mbar");
    let harmonic = |x: f64, center: f64, k: f64| 0.5 * k * (x - center).powi(2);
    let of_sample = |x: &f64| {
        let of_state = |(center, k): (&f64, &f64)| harmonic(*x, *center, *k);
        matrix.centers.iter().zip(&matrix.constants).map(of_state).collect::<Vec<_>>()
    };
    let reduced = matrix.x.iter().map(of_sample).collect::<Vec<_>>().concat();
    let potentials = Potentials::Matrix { reduced: &reduced, states: matrix.centers.len() };
    let (origins_of, blocks) = (origins(&matrix.counts), cut(&matrix.counts, 8));
    let mbar = Mbar::new(potentials, &origins_of, &blocks).unwrap();
    let [center, k] = matrix.target;
    matrix.solution.compare(&mbar, |n| harmonic(matrix.x[n], center, k), &matrix.x);

    let betas: Vec<f64> = ladder.temperatures.iter().map(|t| beta(*t)).collect();
    let energies = &ladder.energies;
    let origins = origins(&vec![ladder.samples_per_state; betas.len()]);
    let blocks = cut(&vec![ladder.samples_per_state; betas.len()], 20);
    let potentials = Potentials::Temperatures { betas: &betas, energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    ladder.solution.compare(&mbar, |n| beta(ladder.target) * energies[n], energies);
}

/// Energies of a harmonic oscillator in `2 pairs` dimensions at a temperature, kcal/mol: sums of
/// squares of normal numbers. In each dimension the mean is k_B T/2.
pub(super) fn oscillator(seed: u64, n: usize, pairs: usize, temperature: f64) -> Vec<f64> {
    let squares = normals(seed, 2 * n * pairs);
    let of = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>() / 2.0 * BOLTZMANN * temperature;
    squares.chunks_exact(2 * pairs).map(of).collect()
}

const TEMPERATURES: [f64; 4] = [300.0, 340.0, 390.0, 450.0];
const PAIRS: usize = 8;

/// f_k of a ladder of oscillators, and their mean energy at 360 K in kcal/mol.
fn experiment(seed: u64, n: usize) -> Vec<Option<Estimate>> {
    let of = |(k, t): (usize, &f64)| oscillator(100 * seed + k as u64, n, PAIRS, *t);
    let energies = TEMPERATURES.iter().enumerate().map(of).collect::<Vec<_>>().concat();
    let betas = TEMPERATURES.map(beta);
    let (origins, blocks) = (origins(&[n; 4]), Blocks::of_samples(&pieces(&[n; 4], 20)));
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    let at = |n: usize| beta(360.0) * energies[n];
    let energy = mbar.jackknife(|weights| vec![mean(&weights.at(at), &energies)]);
    [mbar.free_energies(), energy].concat()
}

/// Blocks of replica exchange: each has a piece of every state.
fn pieces(counts: &[usize], blocks: usize) -> Vec<usize> {
    counts.iter().flat_map(|n| (0..*n).map(move |i| i * blocks / n)).collect()
}

/// f_k - f_0 = -ln(Z_k/Z_0) = d/2 ln(β_k/β_0) in d dimensions.
#[test]
fn finds_the_free_energies_of_oscillators() {
    let found = experiment(1, 4000);
    assert_eq!(found[0], Some(Estimate { value: 0.0, error: Some(0.0) }));
    for (k, temperature) in TEMPERATURES.iter().enumerate().skip(1) {
        let exact = PAIRS as f64 * (TEMPERATURES[0] / temperature).ln();
        assert_within("f", found[k], exact, 3.0);
        assert!(found[k].unwrap().error.unwrap() < 0.05);
    }
    assert_within("energy", found[4], PAIRS as f64 * BOLTZMANN * 360.0, 3.0);
}

/// 200 experiments determine a variance to 10 %, and 20 blocks have no bias for independent samples;
/// the tolerance is three times as large.
#[test]
fn errors_are_the_spread_of_experiments() {
    let experiments: Vec<_> = (0..200).map(|seed| experiment(seed, 200)).collect();
    for k in 1..5 {
        let ratio = ratio_of_variances(
            &experiments.iter().map(|found| found[k].unwrap()).collect::<Vec<_>>(),
        );
        assert!((ratio - 1.0).abs() < 0.3, "number {k}: {ratio}");
    }
}

/// Oscillators along a line, each of which overlaps with its neighbors only. Offsets are far beyond
/// the exponents of f64.
fn chain(states: Range<usize>, offset: f64) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let (x, of): (Vec<f64>, Vec<usize>) = states
        .clone()
        .flat_map(|k| normals(k as u64, 300).into_iter().map(move |x| (x + 2.0 * k as f64, k)))
        .unzip();
    let u = |x: f64, k: usize| 0.5 * (x - 2.0 * k as f64).powi(2) + offset * k as f64;
    let reduced = x.iter().flat_map(|x| (0..states.end).map(|k| u(*x, k)).collect::<Vec<_>>());
    (x.clone(), reduced.collect(), of)
}

#[test]
fn states_may_be_far_apart_if_others_connect_them() {
    let (x, reduced, origins) = chain(0..40, -1e5);
    let blocks = Blocks::of_samples(&pieces(&[300; 40], 10));
    let potentials = Potentials::Matrix { reduced: &reduced, states: 40 };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    for (k, f) in mbar.free_energies().into_iter().enumerate().skip(1) {
        assert_within(&format!("state {k}"), f, -1e5 * k as f64, 4.0);
    }
    // Any state in between is known, whatever the constant in its potential.
    let target = |n: usize| 2e6 + 2.0 * (x[n] - 41.0).powi(2);
    let found = mbar.jackknife(|weights| vec![mean(&weights.at(target), &x)])[0];
    assert_within("mean", found, 41.0, 4.0);
}

/// Wide and narrow oscillators in an order in which those that follow each other have nothing in
/// common, so that the first guess is far from the solution.
#[test]
fn the_order_of_states_does_not_matter() {
    const N: usize = 31;
    let constant = |k: usize| [0.2, 1.0, 4.0][k % 3];
    let u = |x: f64, k: usize| 0.5 * constant(k) * (x - 3.0 * k as f64).powi(2) + 700.0 * k as f64;
    let solve = |order: &dyn Fn(usize) -> usize| {
        let mut reduced = Vec::new();
        for k in 0..N {
            let z = normals(order(k) as u64, 200);
            let x = z.iter().map(|z| 3.0 * order(k) as f64 + z / constant(order(k)).sqrt());
            x.for_each(|x| reduced.extend((0..N).map(|j| u(x, order(j)))));
        }
        let blocks = Blocks::of_samples(&pieces(&[200; N], 5));
        let potentials = Potentials::Matrix { reduced: &reduced, states: N };
        let origins = origins(&[200; N]);
        let f = Mbar::new(potentials, &origins, &blocks).unwrap().free_energies();
        let mut of_state = vec![0.0; N];
        f.iter().enumerate().for_each(|(k, f)| of_state[order(k)] = f.unwrap().value);
        of_state.iter().map(|f| f - of_state[0]).collect::<Vec<_>>()
    };
    let sorted = solve(&|k| k);
    assert_close("f", &solve(&|k| k * 12 % N), &sorted, 1e-12);
    for (k, f) in sorted.iter().enumerate() {
        let exact = 700.0 * k as f64 + 0.5 * (constant(k) / constant(0)).ln();
        assert!((f - exact).abs() < 3.0, "state {k}: {f}, expected {exact}");
    }
}

#[test]
fn a_bad_start_does_not_matter() {
    // Every second state has no samples, so that neighbors overlap little.
    let (_, reduced, origins) = chain(0..12, 3e4);
    let keep = |n: &usize| origins[*n].is_multiple_of(2);
    let kept: Vec<usize> = (0..origins.len()).filter(keep).collect();
    let thin: Vec<f64> = kept.iter().flat_map(|n| reduced[n * 12..(n + 1) * 12].to_vec()).collect();
    let origins: Vec<usize> = kept.iter().map(|n| origins[*n]).collect();
    let blocks = Blocks::of_samples(&pieces(&[300; 6], 10));
    let potentials = Potentials::Matrix { reduced: &thin, states: 12 };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    for (k, f) in mbar.free_energies().into_iter().enumerate().skip(1) {
        assert_within(&format!("state {k}"), f, 3e4 * k as f64, 4.0);
    }
}

/// A potential that all states have in common changes nothing, until its rounding errors hide the
/// differences. The sample is then as likely in every state.
#[test]
fn a_huge_common_potential_changes_one_sample() {
    let (_, clean, origins) = chain(0..12, 3e4);
    let blocks = Blocks::of_samples(&pieces(&[300; 12], 10));
    let solve = |first_row: &dyn Fn(f64) -> f64| {
        let mut reduced = clean.clone();
        reduced[..12].iter_mut().for_each(|u| *u = first_row(*u));
        let potentials = Potentials::Matrix { reduced: &reduced, states: 12 };
        values(&Mbar::new(potentials, &origins, &blocks).unwrap().free_energies())
    };
    assert_close("f", &solve(&|u| u + 1e6), &solve(&|u| u), 1e-12);
    for huge in [1e25, 1e30, -1e300] {
        assert_close("f", &solve(&|u| u + huge), &solve(&|_| 0.0), 1e-14);
    }
}

#[test]
fn states_without_common_samples_are_an_error() {
    let x = [-900.0, -901.0, -899.0, 900.0, 901.0, 899.0];
    let centers = [-900.0, -901.0, 900.0, 901.0];
    let reduced = x.iter().flat_map(|x| centers.map(|center| 0.5 * (x - center) * (x - center)));
    let reduced: Vec<f64> = reduced.collect();
    let potentials = Potentials::Matrix { reduced: &reduced, states: 4 };
    let blocks = cut(&[6], 1);
    let message = Mbar::new(potentials, &[0, 1, 0, 2, 3, 2], &blocks).unwrap_err().to_string();
    let expected = "overlap of states: found none between 0, 1 and 2, 3, expected";
    assert!(message.starts_with(expected), "{message}");

    // Without the samples of one side, nothing is missing: empty states have unlikely samples.
    let mbar = Mbar::new(potentials, &[0, 1, 0, 0, 1, 0], &blocks).unwrap();
    assert!(mbar.free_energies().iter().all(Option::is_some));
}

#[test]
fn a_block_that_connects_states_leaves_no_error() {
    // Only the last block has samples of a state that contains the others.
    let x = [-900.0, -901.0, 900.0, 901.0, -900.5, 900.5];
    let reduced: Vec<f64> = x
        .iter()
        .flat_map(|x: &f64| [(x + 900.0).abs(), (x - 900.0).abs(), x.abs() * 1e-3])
        .collect();
    let potentials = Potentials::Matrix { reduced: &reduced, states: 3 };
    let blocks = Blocks::of_samples(&[0, 1, 0, 1, 2, 2]);
    let mbar = Mbar::new(potentials, &[0, 0, 1, 1, 2, 2], &blocks).unwrap();
    let found = mbar.free_energies()[1].expect("known");
    assert_eq!(found.error, None);
    let sum = mbar.jackknife(|weights| vec![weights.at(|_| 0.0).iter().sum()]);
    assert!((sum[0].unwrap().value - 1.0).abs() < 1e-12 && sum[0].unwrap().error.is_none());
}

#[test]
fn odd_input_is_an_error_or_unknown() {
    let blocks = cut(&[3], 3);
    let message = |potentials, origins: &[usize], blocks: &Blocks| {
        Mbar::new(potentials, origins, blocks).unwrap_err().to_string()
    };
    let ladder = |energies| Potentials::Temperatures { betas: &[1.0, 2.0], energies };
    let good = ladder(&[1.0, 2.0, 3.0]);
    assert!(message(good, &[0, 1, 2], &blocks).starts_with("state of a sample: found 2"));
    assert!(message(good, &[0, 1], &blocks).starts_with("energies: found 3, expected 2"));
    assert!(message(good, &[], &blocks).starts_with("samples: found 0"));
    let two = cut(&[2], 2);
    assert!(message(good, &[0, 1, 0], &two).starts_with("samples in blocks: found 2"));
    let unknown = ladder(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let expected = "samples with a finite potential: found 0";
    assert!(message(unknown, &[0, 1, 0], &blocks).starts_with(expected));
    let wrong = Potentials::Temperatures { betas: &[1.0, f64::INFINITY], energies: &[1.0; 3] };
    assert!(message(wrong, &[0, 1, 0], &blocks).starts_with("inverse temperatures: found inf"));
    // One sample, one state, one block.
    let one = cut(&[1], 20);
    let potentials = Potentials::Temperatures { betas: &[2.0], energies: &[-7.0] };
    let mbar = Mbar::new(potentials, &[0], &one).unwrap();
    assert_eq!(mbar.free_energies(), [Some(Estimate { value: 0.0, error: None })]);
    assert_eq!(mbar.weights().at(|_| 1e300), [1.0]);
    for unknown in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        assert_eq!(mbar.jackknife(|weights| weights.at(|_| unknown)), [None]);
    }

    // A state that contains no sample has no free energy, and no other has one relative to it.
    let two = cut(&[2], 2);
    for origins in [[0; 2], [1; 2]] {
        let u = |n: usize| if n % 2 == origins[0] { 0.0 } else { f64::INFINITY };
        let reduced: [f64; 4] = std::array::from_fn(u);
        let potentials = Potentials::Matrix { reduced: &reduced, states: 2 };
        let mbar = Mbar::new(potentials, &origins, &two).unwrap();
        let known: Vec<_> = mbar.free_energies().iter().map(Option::is_some).collect();
        assert_eq!(known, [origins[0] == 0, false]);
        let weights = mbar.weights().at(|n| n as f64 * 3.0_f64.ln());
        assert_close("weights", &weights, &[0.75, 0.25], 1e-15);
    }
}

/// Each third sample is unknown. The others have the same results alone, to the last bit.
#[test]
fn unknown_samples_are_left_out() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let of = |(k, t): (usize, &f64)| oscillator(k as u64, 300, PAIRS, *t);
    let energies = TEMPERATURES.iter().enumerate().map(of).collect::<Vec<_>>().concat();
    let (betas, origins_of, block_of) =
        (TEMPERATURES.map(beta), origins(&[300; 4]), pieces(&[300; 4], 10));
    let row = |energy: &f64| betas.map(|beta| beta * energy);
    let is_known = |n: &usize| n % 3 != 1;
    let known: Vec<usize> = (0..1200).filter(is_known).collect();
    let only = |values: &[usize]| known.iter().map(|n| values[*n]).collect::<Vec<_>>();
    let energies_of_known: Vec<f64> = known.iter().map(|n| energies[*n]).collect();
    let (origins_of_known, blocks_of_known) =
        (only(&origins_of), Blocks::of_samples(&only(&block_of)));
    let results = |mbar: &Mbar, energies: &[f64]| {
        let energy = |weights: &Weights| {
            let weights = weights.at(|n| beta(360.0) * energies[n]);
            let weighted = weights.iter().zip(energies).filter(|(weight, _)| **weight > 0.0);
            vec![weighted.map(|(weight, energy)| weight * energy).sum()]
        };
        [mbar.free_energies(), mbar.jackknife(energy)].concat()
    };
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies_of_known };
    let mbar = Mbar::new(potentials, &origins_of_known, &blocks_of_known).unwrap();
    let expected = results(&mbar, &energies_of_known);
    assert_eq!(mbar.unknown_samples(), 0);

    let blocks = Blocks::of_samples(&block_of);
    let mut damaged = energies.clone();
    (0..1200).filter(|n| !is_known(n)).for_each(|n| damaged[n] = [nan, inf, -inf][n / 3 % 3]);
    let potentials = Potentials::Temperatures { betas: &betas, energies: &damaged };
    let mbar = Mbar::new(potentials, &origins_of, &blocks).unwrap();
    assert_eq!(mbar.unknown_samples(), 400);
    assert!(mbar.weights().at(|_| 0.0).iter().enumerate().all(|(n, w)| (*w > 0.0) == is_known(&n)));
    assert_eq!(results(&mbar, &damaged), expected);

    // In a matrix, +∞ is known unless the sample is from the state.
    let mut reduced: Vec<f64> = energies.iter().flat_map(row).collect();
    for n in (0..1200).filter(|n| !is_known(n)) {
        let (own, other) = (origins_of[n], (origins_of[n] + 1) % 4);
        let (state, value) = [(own, nan), (other, nan), (other, -inf), (own, inf)][n / 3 % 4];
        reduced[4 * n + state] = value;
    }
    let potentials = Potentials::Matrix { reduced: &reduced, states: 4 };
    let mbar = Mbar::new(potentials, &origins_of, &blocks).unwrap();
    assert_eq!(mbar.unknown_samples(), 400);
    assert_eq!(results(&mbar, &damaged), expected);

    // A sample that is unknown in a target has no weight there.
    let weights = mbar.weights().at(|n| if n < 600 { nan } else { 0.0 });
    assert!(weights[..600].iter().all(|weight| *weight == 0.0));
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

/// Enough samples for several chunks.
#[test]
fn bits_do_not_depend_on_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| experiment(7, 3001));
        values(&found).into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    let one = with(1);
    assert!(one == with(2) && one == with(7));
}

/// From pymbar 4.0.3. A damped step reaches the minimum, where no step is better.
#[test]
fn few_samples_that_overlap_are_enough() {
    let rows = [
        [0.19, 79.226],
        [0.241, 3.769],
        [0.09, 0.082],
        [0.1, 0.011],
        [0.142, 0.366],
        [0.125, 0.107],
    ];
    let potentials = Potentials::Matrix { reduced: rows.as_flattened(), states: 2 };
    let blocks = cut(&[6], 1);
    let mbar = Mbar::new(potentials, &[0, 0, 0, 1, 1, 1], &blocks).unwrap();
    assert_close("f", &values(&mbar.free_energies()), &[0.0, 1.03010211], 1e-8);
}

/// A replica about to blow up has an energy that is far from all others. It is one sample of 8000.
#[test]
fn one_high_energy_changes_little() {
    let betas = TEMPERATURES.map(beta);
    let (origins, blocks) = (origins(&[2000; 4]), Blocks::of_samples(&pieces(&[2000; 4], 20)));
    let solve = |energies: &[f64]| {
        let potentials = Potentials::Temperatures { betas: &betas, energies };
        let mbar = Mbar::new(potentials, &origins, &blocks).map_err(|error| error.to_string());
        mbar.map(|mbar| values(&mbar.free_energies()))
    };
    for seed in 0..4 {
        let of = |(k, t): (usize, &f64)| oscillator(10 * seed + k as u64, 2000, PAIRS, *t);
        let clean = TEMPERATURES.iter().enumerate().map(of).collect::<Vec<_>>().concat();
        let expected = solve(&clean).unwrap();
        for energy in [1e4, 1e5, 1e6, 1e7, 1e9, 1e12, 1e15, 1e30, 1e300] {
            for sample in [0, 3000, 7999] {
                let mut energies = clean.clone();
                energies[sample] = energy;
                let name = format!("f with the energy {energy:e} of sample {sample}");
                let found = solve(&energies).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_close(&name, &found, &expected, 1e-3);
            }
        }
    }
}
