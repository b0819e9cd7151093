//! `hills`: the grid potential of metadynamics, deposits, and the free energy that they find.

use flashschnet::hills::{Axis, Grid, Hills};
use flashschnet::random::{Stream, normal3};
use flashschnet::units::BOLTZMANN;

const TEMPERATURE: f64 = 300.0;

/// A double well with a barrier of 4 kcal/mol, and its slope.
fn well(x: f64) -> (f64, f64) {
    let a = x * x - 1.0;
    (4.0 * a * a + 0.5 * x, 16.0 * x * a + 0.5)
}

/// The largest error of the free energy up to 5 kcal/mol above the minimum, kcal/mol, after two
/// walkers moved by overdamped Langevin dynamics. The constants of both profiles differ, so the mean
/// error is taken off.
fn error_of_profile(seed: u64, steps: u64) -> f64 {
    // D dt, in square units of x.
    const STEP: f64 = 2e-4;
    const PACE: u64 = 100;
    let axis = Axis { lower: -2.5, upper: 2.5, bins: 125, periodic: false, width: 0.1 };
    let (height, bias_factor) = (0.1, 8.0);
    let hills = Hills { axes: vec![axis], height, bias_factor, temperature: TEMPERATURE };
    let mut grid = Grid::new(hills).unwrap();
    let kt = BOLTZMANN * TEMPERATURE;
    let mut walkers = [[-1.0, 0.0], [1.0, 0.0]];
    for step in 1..=steps {
        for (r, [x, _]) in walkers.iter_mut().enumerate() {
            let (_, [slope, _]) = grid.value_and_gradient([*x, 0.0]).expect("on the grid");
            let noise = normal3(seed, Stream::Noise, r as u32, step, 0)[0];
            *x += -STEP / kt * (well(*x).1 + slope) + (2.0 * STEP).sqrt() * noise;
        }
        if step % PACE == 0 {
            assert!(grid.deposit(&walkers).iter().all(Option::is_some));
        }
    }
    let exact: Vec<f64> = (0..grid.nodes().len()).map(|k| well(grid.at_node(k)[0]).0).collect();
    let lowest = exact.iter().copied().fold(f64::INFINITY, f64::min);
    let both = grid.free_energy().into_iter().zip(exact);
    let low: Vec<_> = both.filter(|(_, exact)| *exact <= lowest + 5.0).collect();
    let shift = low.iter().map(|(found, exact)| found - exact).sum::<f64>() / low.len() as f64;
    low.iter().map(|(found, exact)| (found - exact - shift).abs()).fold(0.0, f64::max)
}

#[test]
fn finds_the_free_energy_of_a_double_well() {
    for seed in 1..=3 {
        let error = error_of_profile(seed, 8_000_000);
        assert!(error < 0.2, "seed {seed}: {error} kcal/mol");
    }
}
