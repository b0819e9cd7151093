use flashschnet::analysis::statistics::blocks::{Blocks, Estimate};
use flashschnet::analysis::statistics::mbar::{Mbar, Potentials};
use flashschnet::analysis::statistics::melting::{
    MIDPOINT, Melting, MeltingTemperature, melting, temperatures,
};
use flashschnet::random::{Stream, uniform4};
use flashschnet::units::{BOLTZMANN, beta};

use super::mbar::oscillator;
use super::{assert_within, ratio_of_variances};
use crate::common::assert_close;

/// A protein with two states: each is an oscillator in 2 · `PAIRS` dimensions. The unfolded one has
/// an energy that is higher by `GAP`, and more room, so that both are as likely at `MELTING`.
const PAIRS: usize = 6;
const GAP: f64 = 12.0;
const MELTING: f64 = 345.0;
const Q: [f64; 2] = [0.9, 0.2];
const LADDER: [f64; 5] = [300.0, 322.0, 345.0, 370.0, 397.0];

/// The probability of the unfolded state.
fn unfolded(t: f64) -> f64 {
    1.0 / (1.0 + (GAP * (beta(t) - beta(MELTING))).exp())
}

fn exact_q(t: f64) -> f64 {
    Q[0] + (Q[1] - Q[0]) * unfolded(t)
}

fn exact_capacity(t: f64) -> f64 {
    let p = unfolded(t);
    PAIRS as f64 * BOLTZMANN + GAP * GAP * p * (1.0 - p) / (BOLTZMANN * t * t)
}

/// Samples of every state: energies, Q, origins and blocks.
fn samples(seed: u64, n: usize) -> (Vec<f64>, Vec<f64>, Vec<usize>, Blocks) {
    let (mut energies, mut q, mut origins, mut blocks) = (vec![], vec![], vec![], vec![]);
    for (k, t) in LADDER.into_iter().enumerate() {
        for (i, energy) in oscillator(1000 * seed + k as u64, n, PAIRS, t).into_iter().enumerate() {
            let u = uniform4(seed, Stream::Velocities, k as u32, i as u64, 0)[0];
            let state = usize::from(u < unfolded(t));
            energies.push(energy + GAP * state as f64 - 70.0);
            q.push(Q[state]);
            origins.push(k);
            blocks.push(i * 20 / n);
        }
    }
    (energies, q, origins, Blocks::of_samples(&blocks))
}

fn found(seed: u64, n: usize, temperatures: &[f64], midpoint: f64) -> Melting {
    let (energies, q, origins, blocks) = samples(seed, n);
    let betas = LADDER.map(beta);
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    melting(&mbar, &energies, Some(&q), temperatures, midpoint).unwrap()
}

fn temperature(found: MeltingTemperature) -> Estimate {
    match found {
        MeltingTemperature::Found(estimate) => estimate,
        other => panic!("{other:?}"),
    }
}

/// The temperature where a function is largest.
fn maximum(function: impl Fn(f64) -> f64) -> f64 {
    let grid = temperatures(300.0, 400.0, 100_001);
    grid.into_iter().max_by(|a, b| function(*a).total_cmp(&function(*b))).unwrap()
}

#[test]
fn finds_the_melting_curve_of_two_states() {
    let grid = temperatures(300.0, 395.0, 96);
    let found = found(3, 4000, &grid, 0.55);
    assert_eq!(found.points.len(), 96);
    for point in &found.points {
        let t = point.temperature;
        assert_within(&format!("<Q> at {t}"), point.q, exact_q(t), 3.5);
        let potential = PAIRS as f64 * BOLTZMANN * t + GAP * unfolded(t) - 70.0;
        assert_within(&format!("<U> at {t}"), point.potential, potential, 3.5);
        assert_within(&format!("C at {t}"), point.heat_capacity, exact_capacity(t), 3.5);
        assert!(point.q.unwrap().error.unwrap() < 0.01);
    }
    // <Q> is 0.55 where both states are as likely.
    let middle = temperature(found.q.unwrap());
    assert_within("midpoint", Some(middle), MELTING, 3.0);
    let top = temperature(found.heat_capacity);
    assert_within("maximum of C", Some(top), maximum(exact_capacity), 3.0);
    assert!(middle.error.unwrap() < 0.5 && top.error.unwrap() < 0.5, "{middle:?} {top:?}");
}

/// A coarse grid finds the same maximum, because of the parabola.
#[test]
fn melting_temperatures_depend_little_on_the_grid() {
    let [fine, coarse] = [96, 20].map(|n| found(3, 1000, &temperatures(300.0, 395.0, n), MIDPOINT));
    let close = |a: MeltingTemperature, b: MeltingTemperature| {
        assert_close("melting", &[temperature(a).value], &[temperature(b).value], 3e-4);
    };
    close(fine.heat_capacity, coarse.heat_capacity);
    close(fine.q.unwrap(), coarse.q.unwrap());
}

/// 200 experiments determine a variance to 10 %; the tolerance is three times as large.
#[test]
fn errors_are_the_spread_of_experiments() {
    let grid = temperatures(330.0, 360.0, 11);
    let all: Vec<_> = (0..200).map(|seed| found(seed, 300, &grid, MIDPOINT)).collect();
    let ratio = |of: &dyn Fn(&Melting) -> Estimate| {
        ratio_of_variances(&all.iter().map(of).collect::<Vec<_>>())
    };
    let ratios = [
        ratio(&|found| temperature(found.q.unwrap())),
        ratio(&|found| temperature(found.heat_capacity)),
        ratio(&|found| found.points[5].heat_capacity.unwrap()),
    ];
    assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.3), "{ratios:?}");
}

#[test]
fn a_maximum_at_the_edge_is_none() {
    let below = found(5, 500, &temperatures(300.0, 330.0, 7), MIDPOINT);
    assert_eq!(below.heat_capacity, MeltingTemperature::AtEdge(330.0));
    assert_eq!(below.q, Some(MeltingTemperature::Absent));
    let above = found(5, 500, &temperatures(365.0, 395.0, 7), MIDPOINT);
    assert_eq!(above.heat_capacity, MeltingTemperature::AtEdge(365.0));
    assert_eq!(above.q, Some(MeltingTemperature::Absent));
}

/// A replica that blew up: its energies, and Q of some of them and of others, are unknown. One
/// energy is huge.
#[test]
fn unknown_samples_are_left_out() {
    let (mut energies, mut q, origins, blocks) = samples(3, 4000);
    for n in (0..energies.len()).filter(|n| n % 10 == 7) {
        energies[n] = [f64::NAN, f64::INFINITY][n / 10 % 2];
        q[n] = f64::NAN;
        q[n - 3] = [f64::NAN, f64::INFINITY][n / 10 % 2];
    }
    energies[0] = 1e30;
    let betas = LADDER.map(beta);
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    assert_eq!(mbar.unknown_samples(), 2000);
    let grid = temperatures(300.0, 395.0, 20);
    let found = melting(&mbar, &energies, Some(&q), &grid, 0.55).unwrap();
    for point in &found.points {
        let t = point.temperature;
        assert_within(&format!("<Q> at {t}"), point.q, exact_q(t), 3.5);
        assert_within(&format!("C at {t}"), point.heat_capacity, exact_capacity(t), 3.5);
        assert!(point.heat_capacity.unwrap().error.unwrap() < 0.1 * exact_capacity(t), "at {t}");
    }
    assert_within("midpoint", Some(temperature(found.q.unwrap())), MELTING, 3.0);
}

#[test]
fn odd_input_is_an_error_or_unknown() {
    let (energies, _, origins, blocks) = samples(1, 50);
    let betas = LADDER.map(beta);
    let potentials = Potentials::Temperatures { betas: &betas, energies: &energies };
    let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
    let of = |q, temperatures: &[f64]| melting(&mbar, &energies, q, temperatures, MIDPOINT);
    for wrong in [&[300.0, 300.0][..], &[310.0, 300.0], &[-1.0], &[f64::NAN], &[0.0, 1.0]] {
        let message = of(None, wrong).unwrap_err().to_string();
        assert!(message.starts_with("temperatures: found"), "{message}");
    }
    let message = of(Some(&[0.5][..]), &[300.0]).unwrap_err().to_string();
    assert!(message.starts_with("values of Q: found 1, expected 250"), "{message}");

    let none = of(None, &[]).unwrap();
    assert_eq!((none.points.len(), none.heat_capacity), (0, MeltingTemperature::Absent));
    assert_eq!(of(None, &[300.0]).unwrap().heat_capacity, MeltingTemperature::Absent);
    let unknown = of(Some(&[f64::NAN; 250][..]), &[300.0, 320.0]).unwrap();
    assert!(unknown.points.iter().all(|point| point.q.is_none() && point.potential.is_some()));
    assert_eq!(unknown.q, Some(MeltingTemperature::Absent));

    // A potential that never changes has no heat capacity, and no maximum of it.
    for energy in [-5.0, -5.3, -71.123, 1e9 / 3.0] {
        let flat = vec![energy; 250];
        let potentials = Potentials::Temperatures { betas: &betas, energies: &flat };
        let mbar = Mbar::new(potentials, &origins, &blocks).unwrap();
        let found = melting(&mbar, &flat, None, &temperatures(300.0, 397.0, 41), MIDPOINT).unwrap();
        for point in &found.points {
            assert_eq!(point.potential.unwrap().value, energy);
            assert_eq!(point.heat_capacity, Some(Estimate { value: 0.0, error: Some(0.0) }));
        }
        assert_eq!(found.heat_capacity, MeltingTemperature::Absent);
    }
    assert_eq!(temperatures(1.0, 3.0, 3), [1.0, 2.0, 3.0]);
    assert_eq!((temperatures(1.0, 3.0, 1), temperatures(1.0, 3.0, 0)), (vec![1.0], vec![]));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| found(9, 1500, &temperatures(310.0, 380.0, 8), MIDPOINT))
    };
    let one = with(1);
    assert!(one == with(2) && one == with(7));
}
