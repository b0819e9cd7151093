//! `hills`: the grid potential of metadynamics, deposits, and the free energy that they find.

use std::f64::consts::PI;

use flashschnet::hills::{Axis, Grid, Hills, MOST_BINS, ValueAndGradient};
use flashschnet::ops::Ops;
use flashschnet::random::{Stream, normal3};
use flashschnet::reference::ReferenceOps;
use flashschnet::units::BOLTZMANN;

use crate::common::{Backend, assert_close, numbers};

on_every_backend!(
    matches_the_reference,
    keeps_its_digits_over_many_deposits,
    low_hills_are_not_lost,
    nodes_far_from_all_hills_stay_zero,
    a_walker_that_leaves_the_grid_adds_no_hill,
    a_grid_continues_with_the_same_bits,
);

const TEMPERATURE: f64 = 300.0;

/// A distance, a dihedral angle, and a fraction with narrow hills.
const DISTANCE: Axis = Axis { lower: 2.5, upper: 22.0, bins: 70, periodic: false, width: 0.625 };
const DIHEDRAL: Axis = Axis { lower: -PI, upper: PI, bins: 36, periodic: true, width: 0.375 };
const FRACTION: Axis = Axis { lower: 0.0, upper: 1.0, bins: 101, periodic: false, width: 0.02 };
/// A periodic axis with the widest hills, so that images matter.
const WIDE: Axis = Axis { lower: 1.0, upper: 4.0, bins: 13, periodic: true, width: 0.5 };

fn grid(axes: &[Axis]) -> Grid {
    let (axes, height) = (axes.to_vec(), 0.75);
    Grid::new(Hills { axes, height, bias_factor: 8.0, temperature: TEMPERATURE }).expect("valid")
}

fn grids() -> Vec<Grid> {
    let axes: [&[Axis]; 7] = [
        &[DISTANCE],
        &[DIHEDRAL],
        &[FRACTION],
        &[WIDE],
        &[DISTANCE, DIHEDRAL],
        &[WIDE, FRACTION],
        &[DIHEDRAL, WIDE],
    ];
    axes.map(grid).into()
}

/// `n` seeded values on a grid. On a periodic axis they reach one period beyond both ends.
fn values(seed: u64, grid: &Grid, n: usize) -> Vec<[f64; 2]> {
    let draws = numbers(seed, 2 * n, 0.5);
    let value = |(axis, draw): (&Axis, &f64)| {
        let range = (axis.upper - axis.lower) * if axis.periodic { 3.0 } else { 1.0 };
        f64::from(((axis.lower + axis.upper) / 2.0 + range * draw) as f32)
    };
    let of_walker = |draws: &[f64]| {
        let mut q = [0.0; 2];
        let all = grid.hills().axes.iter().zip(draws).map(value);
        q.iter_mut().zip(all).for_each(|(q, x)| *q = x);
        q
    };
    draws.chunks_exact(2).map(of_walker).collect()
}

/// The tolerance of [`Ops::hills`]. Values are up to a period beyond the ends of a periodic axis.
fn tolerance(grid: &Grid) -> f64 {
    let of_axis = |axis: &Axis| {
        let beyond = if axis.periodic { axis.upper - axis.lower } else { 0.0 };
        (axis.lower.abs().max(axis.upper.abs()) + beyond) / axis.width
    };
    1e-5 + 5e-7 * grid.hills().axes.iter().map(of_axis).fold(0.0, f64::max)
}

/// Compares a backend with the reference.
fn compare(backend: &Backend, grid: &Grid, deposits: &[Vec<[f64; 2]>], at: &[[f64; 2]]) {
    let [found, expected] = [&*backend.ops, &ReferenceOps as &dyn Ops]
        .map(|ops| ops.hills(grid, deposits, at).unwrap());
    let tolerance = tolerance(grid);
    let what = format!("{:?}", grid.hills().axes);
    let [nodes, expected_nodes] = [found.0.nodes(), expected.0.nodes()].map(<[_]>::as_flattened);
    assert_close(&format!("{what}: nodes"), nodes, expected_nodes, tolerance);
    let of = |all: &[ValueAndGradient], pick: fn(&(f64, [f64; 2])) -> f64| -> Vec<f64> {
        all.iter().map(|potential| potential.as_ref().map(pick).expect("on the grid")).collect()
    };
    for (name, pick) in [
        ("V", (|p| p.0) as fn(&(f64, [f64; 2])) -> f64),
        ("dV/dx", |p| p.1[0]),
        ("dV/dy", |p| p.1[1]),
    ] {
        let [found, expected] = [&found.1, &expected.1].map(|all| of(all, pick));
        assert_close(&format!("{what}: {name}"), &found, &expected, tolerance);
    }
}

fn matches_the_reference(backend: &Backend) {
    for (seed, grid) in grids().iter().enumerate() {
        let seed = 10 * seed as u64;
        // Also at nodes, among them the first and the last, and beside them.
        let last = grid.nodes().len() - 1;
        let mut at = values(seed, grid, 150);
        at.extend([0, last / 3, last / 2, last].map(|node| grid.at_node(node)));
        // Devices round values to f32, which are then outside by a rounding error.
        at.retain(|q| grid.value_and_gradient(q.map(|x| f64::from(x as f32))).is_some());
        assert!(at.len() > 150);
        for (n_walkers, n_deposits) in [(1, 1), (2, 10), (7, 20), (64, 5)] {
            let deposits: Vec<_> =
                (0..n_deposits).map(|k| values(seed + 1 + k, grid, n_walkers)).collect();
            compare(backend, grid, &deposits, &at);
        }
    }
}

fn keeps_its_digits_over_many_deposits(backend: &Backend) {
    let grid = grid(&[DISTANCE]);
    let deposits: Vec<_> = (0..4000).map(|k| values(k, &grid, 2)).collect();
    let most = ReferenceOps.hills(&grid, &deposits, &[]).unwrap().0;
    let most = most.nodes().iter().map(|node| node[0]).fold(0.0, f64::max);
    assert!(most > 10.0, "{most} kcal/mol");
    compare(backend, &grid, &deposits, &values(5, &grid, 100));
}

/// Hills of 1e-3 kcal/mol, the last digit in f32 of the potential that they are added to.
fn low_hills_are_not_lost(backend: &Backend) {
    const HIGH: f64 = 1e4;
    for axes in [&[DISTANCE][..], &[DIHEDRAL, DISTANCE]] {
        let empty = grid(axes);
        let hills = Hills { height: 1e-3, bias_factor: 1e6, ..empty.hills().clone() };
        let nodes = vec![[HIGH, 0.0, 0.0, 0.0]; empty.nodes().len()];
        let grid = Grid::with_nodes(hills, nodes).unwrap();
        let deposits: Vec<_> = (0..200).map(|k| values(k, &grid, 3)).collect();
        let at = values(7, &grid, 100);
        let [found, expected] = [&*backend.ops, &ReferenceOps as &dyn Ops]
            .map(|ops| ops.hills(&grid, &deposits, &at).unwrap());
        let tolerance = tolerance(&grid);
        let [low, expected_low] = [&found.0, &expected.0].map(|grid| -> Vec<f64> {
            grid.nodes().iter().flat_map(|node| [node[0] - HIGH, node[1], node[2]]).collect()
        });
        assert_close("nodes", &low, &expected_low, tolerance);
        let [slope, expected_slope] = [found.1, expected.1].map(|all| -> Vec<f64> {
            all.into_iter().flat_map(|potential| potential.expect("on the grid").1).collect()
        });
        assert_close("gradient", &slope, &expected_slope, tolerance);
    }
}

fn nodes_far_from_all_hills_stay_zero(backend: &Backend) {
    let grid = grid(&[FRACTION, DISTANCE]);
    let (after, found) =
        backend.ops.hills(&grid, &[vec![[0.5, 12.0]; 3]], &[[0.5, 12.0], [0.0, 2.5]]).unwrap();
    for (k, node) in after.nodes().iter().enumerate() {
        let [x, y] = after.at_node(k);
        let distance = ((x - 0.5) / FRACTION.width).hypot((y - 12.0) / DISTANCE.width);
        if distance > 9.0 {
            assert!(node.iter().all(|x| x.abs() < 1e-15), "{node:?} at {x} {y}");
        }
    }
    let [near, far] = [found[0].unwrap(), found[1].unwrap()];
    assert!((near.0 - 3.0 * 0.75).abs() < 0.02 && far.0.abs() < 1e-15, "{near:?} {far:?}");
}

fn a_walker_that_leaves_the_grid_adds_no_hill(backend: &Backend) {
    let grid = grid(&[DISTANCE, DIHEDRAL]);
    let inside = [[5.0, 1.0], [2.5, -20.0], [22.0, 3.5]];
    let outside = [
        [2.25, 0.0],
        [22.25, 0.0],
        [-1e30, 0.0],
        [f64::NAN, 0.0],
        [f64::INFINITY, 0.0],
        [5.0, f64::NAN],
        [5.0, f64::NEG_INFINITY],
    ];
    let all = [&inside[..], &outside].concat();
    let [with, without] = [&all[..], &inside].map(|walkers| {
        let deposits = vec![walkers.to_vec(); 3];
        backend.ops.hills(&grid, &deposits, &all).unwrap()
    });
    assert_eq!(with.0, without.0);
    assert!(with.1[..3].iter().all(Option::is_some), "{:?}", with.1);
    assert_eq!(with.1[3..], [None; 7]);
    let none = backend.ops.hills(&grid, &[outside.to_vec(), vec![]], &[]).unwrap();
    assert_eq!(none, (grid, vec![]));
}

fn a_grid_continues_with_the_same_bits(backend: &Backend) {
    for grid in [grid(&[DIHEDRAL]), grid(&[WIDE, DISTANCE])] {
        let deposits: Vec<_> = (0..40).map(|k| values(k, &grid, 5)).collect();
        let at = values(99, &grid, 20);
        let whole = backend.ops.hills(&grid, &deposits, &at).unwrap();
        let half = backend.ops.hills(&grid, &deposits[..17], &[]).unwrap().0;
        let half = Grid::with_nodes(half.hills().clone(), half.nodes().to_vec()).unwrap();
        assert_eq!(backend.ops.hills(&half, &deposits[17..], &at).unwrap(), whole);
    }
}

/// A grid with hills of seeded walkers.
fn filled(axes: &[Axis]) -> Grid {
    let mut grid = grid(axes);
    for k in 0..30 {
        let walkers = values(k, &grid, 4);
        assert!(grid.deposit(&walkers).iter().all(Option::is_some));
    }
    grid
}

/// Central differences, across the borders of cells and the ends of periodic axes too.
#[test]
fn the_gradient_is_that_of_the_potential() {
    for grid in grids() {
        let grid = filled(&grid.hills().axes);
        let axes = &grid.hills().axes;
        let at = |q| grid.value_and_gradient(q).expect("on the grid");
        let n = grid.nodes().len();
        let borders = (0..n).step_by(n.div_ceil(200)).map(|node| grid.at_node(node));
        for q in values(77, &grid, 200).into_iter().chain(borders) {
            for (k, axis) in axes.iter().enumerate() {
                let step = 1e-5 * axis.width;
                let moved = |way| std::array::from_fn(|c| q[c] + if c == k { way } else { 0.0 });
                let ends = [-step, step].map(|way| grid.value_and_gradient(moved(way)));
                // At the ends of the axis.
                let [Some(before), Some(after)] = ends else { continue };
                let slope = (after.0 - before.0) / (2.0 * step);
                let error = (at(q).1[k] - slope).abs();
                assert!(error < 1e-5 / axis.width, "{axes:?} at {q:?}: {:?}, {slope}", at(q).1);
                let jump = (after.1[k] - before.1[k]).abs();
                assert!(jump < 1e-3 / axis.width, "{axes:?} at {q:?}: a step of {jump}");
            }
        }
    }
}

#[test]
fn periods_do_not_matter() {
    for axes in [&[DIHEDRAL][..], &[WIDE, DIHEDRAL]] {
        let grid = filled(axes);
        for q in values(3, &grid, 50) {
            let [near, far] = [0.0, 5.0].map(|periods| {
                let there = |k: usize| axes.get(k).map_or(0.0, |axis| axis.upper - axis.lower);
                let q = std::array::from_fn(|k| q[k] + periods * there(k));
                grid.value_and_gradient(q).expect("on the grid")
            });
            assert!((near.0 - far.0).abs() < 1e-12, "{q:?}: {near:?} {far:?}");
            let [x, y] = [0, 1].map(|k| (near.1[k] - far.1[k]).abs());
            assert!(x < 1e-11 && y < 1e-11, "{q:?}: {near:?} {far:?}");
        }
    }
}

/// Hills by their definition, with ten images on each side, and derivatives by differences.
#[test]
fn nodes_hold_the_hills_and_their_derivatives() {
    for axes in [&[DISTANCE][..], &[WIDE], &[WIDE, DISTANCE], &[DIHEDRAL, FRACTION]] {
        let mut grid = grid(axes);
        let walkers = [values(1, &grid, 3), values(2, &grid, 3)];
        let heights: Vec<_> = walkers.iter().flat_map(|q| grid.deposit(q)).collect();
        let walkers = walkers.concat();
        let hill = |axis: &Axis, q: f64, center: f64| -> f64 {
            let period = if axis.periodic { axis.upper - axis.lower } else { f64::INFINITY };
            let images = if axis.periodic { -10..=10 } else { 0..=0 };
            let image = |k: i32| if k == 0 { 0.0 } else { f64::from(k) * period };
            let z = |k| (q - center + image(k)) / axis.width;
            images.map(|k| (-0.5 * z(k) * z(k)).exp()).sum()
        };
        let potential = |q: [f64; 2]| -> f64 {
            let of_walker = |(center, height): (&[f64; 2], &Option<f64>)| {
                let all = axes.iter().zip(q).zip(center);
                height.unwrap() * all.map(|((axis, q), c)| hill(axis, q, *c)).product::<f64>()
            };
            walkers.iter().zip(&heights).map(of_walker).sum()
        };
        for node in (0..grid.nodes().len()).step_by(7) {
            let q = grid.at_node(node);
            let found = grid.nodes()[node];
            assert!((found[0] - potential(q)).abs() < 1e-12, "{axes:?} at {q:?}");
            // In units of the spacings, as the nodes.
            const STEP: f64 = 1e-3;
            let step = |k: usize| axes.get(k).map_or(0.0, |axis| STEP * axis.spacing());
            let at = |a: f64, b: f64| potential([q[0] + a * step(0), q[1] + b * step(1)]);
            let expected = [
                (at(1.0, 0.0) - at(-1.0, 0.0)) / (2.0 * STEP),
                (at(0.0, 1.0) - at(0.0, -1.0)) / (2.0 * STEP),
                (at(1.0, 1.0) - at(-1.0, 1.0) - at(1.0, -1.0) + at(-1.0, -1.0))
                    / (4.0 * STEP * STEP),
            ];
            for (found, expected) in found[1..].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{axes:?} at {q:?}: {found} {expected}");
            }
        }
    }
}

/// Heights are those of before the deposit, and fall with the potential.
#[test]
fn heights_are_tempered() {
    let mut grid = grid(&[DISTANCE]);
    let walkers = [[10.0, 0.0], [10.0, 0.0], [18.0, 0.0], [30.0, 0.0]];
    let first = grid.deposit(&walkers);
    assert_eq!(first, [Some(0.75), Some(0.75), Some(0.75), None]);
    let second = grid.deposit(&walkers);
    let rate = 1.0 / (BOLTZMANN * 7.0 * TEMPERATURE);
    let expected = 0.75 * (-1.5 * rate).exp();
    // 10 Å is not a node, and the interpolation has an error.
    assert!((second[0].unwrap() - expected).abs() < 1e-3, "{second:?}");
    assert_eq!(second[0], second[1]);
    assert!(second[2] > second[0] && second[2] < first[2] && second[3].is_none(), "{second:?}");
    let most = grid.nodes().iter().map(|node| node[0]).fold(0.0, f64::max);
    let expected: Vec<f64> = grid.nodes().iter().map(|node| (most - node[0]) * 8.0 / 7.0).collect();
    assert_close("free energy", &grid.free_energy(), &expected, 1e-14);
}

#[test]
fn wrong_settings_are_refused() {
    let valid = Hills { axes: vec![DISTANCE], height: 1.0, bias_factor: 10.0, temperature: 300.0 };
    let axis = |axis: Axis| Hills { axes: vec![axis], ..valid.clone() };
    let big = Axis { bins: 3000, ..DISTANCE };
    let cases = [
        (Hills { axes: vec![], ..valid.clone() }, "hills, axes: found 0, expected one or two"),
        (Hills { axes: vec![DISTANCE; 3], ..valid.clone() }, "axes: found 3"),
        (Hills { axes: vec![big; 2], ..valid.clone() }, "nodes: found 9006001"),
        (Hills { height: 0.0, ..valid.clone() }, "hills, height: found 0"),
        (Hills { height: f64::NAN, ..valid.clone() }, "hills, height: found NaN"),
        (Hills { bias_factor: 1.0, ..valid.clone() }, "hills, bias factor: found 1"),
        (Hills { bias_factor: f64::INFINITY, ..valid.clone() }, "bias factor: found inf"),
        (Hills { temperature: -300.0, ..valid.clone() }, "temperature: found -300"),
        (axis(Axis { lower: f64::NAN, ..DISTANCE }), "hills, lower: found NaN"),
        (axis(Axis { upper: 1e9, ..DISTANCE }), "hills, upper: found 1000000000"),
        (axis(Axis { upper: 2.5, ..DISTANCE }), "upper: found 2.5, expected more than lower, 2.5"),
        (axis(Axis { bins: 0, ..DISTANCE }), "hills, bins: found 0, expected 1 to 4096"),
        (axis(Axis { bins: MOST_BINS + 1, ..DISTANCE }), "bins: found 4097"),
        (axis(Axis { bins: 62, ..DISTANCE }), "bins: found 62, expected at least 63, which are 2"),
        (axis(Axis { width: 0.0, ..DISTANCE }), "hills, width: found 0"),
        (axis(Axis { width: f64::NAN, ..DISTANCE }), "hills, width: found NaN"),
        (axis(Axis { width: 20.0, ..DISTANCE }), "at most the range of the axis"),
        (axis(Axis { width: 1.1, ..DIHEDRAL }), "at most a sixth of the period"),
        (
            axis(Axis { lower: 1e6, upper: 1e6 + 20.0, ..DISTANCE }),
            "at least 0.0001 of the largest",
        ),
    ];
    valid.check().unwrap();
    for (hills, expected) in cases {
        let error = Grid::new(hills).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let with = |nodes| Grid::with_nodes(valid.clone(), nodes).unwrap_err().to_string();
    assert_eq!(with(vec![[0.0; 4]; 70]), "hills, nodes: found 70, expected 71");
    for wrong in [f64::NAN, 1e5] {
        assert!(with(vec![[0.0, wrong, 0.0, 0.0]; 71]).contains("hills, nodes: found"));
    }
}

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
