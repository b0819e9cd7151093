//! `cfconv_forward` and `cfconv_backward`.

#[macro_use]
mod common;

use common::{ACTIVATIONS, Backend, assert_close, bases, cutoffs, numbers, points, schnet};
use flashschnet::model::SchNet;
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::ReferenceOps;

on_every_backend!(matches_the_reference, matches_at_odd_sizes, rows_without_edges_are_zero);

/// Compares both operations on a network's block, a graph and its positions.
type Compare<'a> = &'a dyn Fn(&SchNet, usize, &Graph, &[[f64; 3]]);

fn compare(backend: &Backend, schnet: &SchNet, block: usize, graph: &Graph, x: &[[f64; 3]]) {
    let n = x.len() * schnet.n_filters();
    let (y, grad_m) = (numbers(1, n, 1.0), numbers(2, n, 1.0));
    let what = format!("{:?} {:?} {:?}", schnet.radial_basis, schnet.cutoff, schnet.activation);
    let forward = |ops: &dyn Ops| ops.cfconv_forward(schnet, block, graph, x, &y).unwrap();
    assert_close(&format!("{what}: m"), &forward(&*backend.ops), &forward(&ReferenceOps), 1e-5);
    let backward =
        |ops: &dyn Ops| ops.cfconv_backward(schnet, block, graph, x, &y, &grad_m).unwrap();
    let ((found_y, found_force), (grad_y, force)) =
        (backward(&*backend.ops), backward(&ReferenceOps));
    assert_close(&format!("{what}: grad_y"), &found_y, &grad_y, 2e-5);
    assert_close(&format!("{what}: force"), found_force.as_flattened(), force.as_flattened(), 2e-5);
}

fn matches_the_reference(backend: &Backend) {
    every_form(&|schnet, block, graph, x| compare(backend, schnet, block, graph, x));
}

fn every_form(compare: Compare) {
    let positions = points(3, 37, 6.0);
    let graph = ReferenceOps.neighbor_list(&positions, &[0, 20, 37], 7.0).unwrap();
    // Every basis, and every envelope with every activation: they meet nowhere else in a kernel.
    let (bases, cutoffs) = (bases(17, 7.0), cutoffs(7.0));
    let some = |k: usize| (bases[1].clone(), cutoffs[k / 3], ACTIVATIONS[k % 3]);
    let every_basis =
        (0..bases.len()).map(|k| (bases[k].clone(), cutoffs[k % 4], ACTIVATIONS[k % 3]));
    for (basis, cutoff, activation) in every_basis.chain((0..12).map(some)) {
        let schnet = schnet((8, 24, 1), basis, cutoff, activation);
        compare(&schnet, 0, &graph, &positions);
    }
}

fn matches_at_odd_sizes(backend: &Backend) {
    odd_sizes(&|schnet, block, graph, x| compare(backend, schnet, block, graph, x));
}

fn odd_sizes(compare: Compare) {
    // Radii from a few neighbors to everyone; the last has more pairs than one chunk of work.
    for (n_filters, n_rbf, n_beads, radius) in
        [(1, 2, 5, 6.0), (96, 33, 29, 5.0), (128, 64, 33, 7.0), (20, 13, 71, 100.0)]
    {
        let basis = bases(n_rbf, radius).swap_remove(1);
        let schnet = schnet((16, n_filters, 2), basis, cutoffs(radius)[0], ACTIVATIONS[0]);
        let positions = points(n_beads as u64, n_beads, 5.0);
        let graph = ReferenceOps.neighbor_list(&positions, &[0, n_beads], radius).unwrap();
        compare(&schnet, 1, &graph, &positions);
    }
}

fn rows_without_edges_are_zero(backend: &Backend) {
    empty_rows(&*backend.ops, &|schnet, block, graph, x| compare(backend, schnet, block, graph, x));
}

fn empty_rows(ops: &dyn Ops, compare: Compare) {
    let schnet = common::small_schnet();
    let mut positions = points(4, 12, 4.0);
    positions[0] = [100.0; 3];
    positions[11] = [-100.0; 3];
    let graph = ReferenceOps.neighbor_list(&positions, &[0, 12], 7.0).unwrap();
    compare(&schnet, 0, &graph, &positions);
    let y = numbers(1, 12 * 24, 1.0);
    let m = ops.cfconv_forward(&schnet, 0, &graph, &positions, &y).unwrap();
    assert!(m[..24].iter().chain(&m[11 * 24..]).all(|x| *x == 0.0));
    let (grad, force) = ops.cfconv_backward(&schnet, 0, &graph, &positions, &y, &y).unwrap();
    assert!(grad[..24].iter().chain(&force[0]).chain(&force[11]).all(|x| *x == 0.0));

    let empty = Graph { row_ptr: vec![0; 13], col: vec![] };
    compare(&schnet, 0, &empty, &positions);
}

/// Mixed precision: filters from tables of 16 bits, and exact ones on matrix units, their arithmetic
/// emulated with the same layouts and roundings of operands.
mod mixed {
    use flashschnet::cpu::Cpu;
    use flashschnet::engine::{Engine, Filter, State, Terms};
    use flashschnet::error::Result;
    use flashschnet::gpu::{Device, GpuOps, Profile, Wgpu};
    use flashschnet::system::System;

    use super::*;

    /// Tables in 16 bits, with and without arithmetic in them.
    fn tables() -> [GpuOps; 2] {
        [Profile::Full, Profile::Portable].map(|profile| {
            let device = Device::open(Some("0"), profile);
            GpuOps(device.unwrap_or_else(|error| panic!("{error}")), common::MIXED)
        })
    }

    #[test]
    fn tables_match_the_reference() {
        tables_match(tables());
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs CUDA"]
    fn tables_of_cuda_match_the_reference() {
        tables_match([GpuOps(common::cuda_device(), common::MIXED)]);
    }

    fn tables_match(all: impl IntoIterator<Item = GpuOps>) {
        for ops in all {
            every_form(&|schnet, block, graph, x| compare((&ops, TABLES), schnet, block, graph, x));
            odd_sizes(&|schnet, block, graph, x| compare((&ops, TABLES), schnet, block, graph, x));
            empty_rows(&ops, &|schnet, block, graph, x| {
                compare((&ops, TABLES), schnet, block, graph, x)
            });
        }
    }

    /// One `#[test]` for each function: on emulated matrix units, and on those of hardware.
    macro_rules! on_units {
        ($($test:ident),* $(,)?) => {
            mod emulated {$(
                #[test]
                fn $test() {
                    let device = super::Device::open(Some("0"), super::Profile::Full);
                    super::$test(device.and_then(super::Device::emulating_matrices));
                }
            )*}
            mod wgpu {$(
                #[test]
                #[ignore = "needs an adapter with matrix units"]
                fn $test() {
                    let device = super::Device::open(Some("0"), super::Profile::Full).unwrap();
                    assert!(device.has_matrices(), "no matrix units on {}", device.name());
                    super::$test(Ok(device));
                }
            )*}
            #[cfg(feature = "cuda")]
            mod cuda {$(
                #[test]
                #[ignore = "needs CUDA"]
                fn $test() {
                    let device = super::common::cuda_device();
                    assert!(device.has_matrices());
                    super::$test(Ok(device));
                }
            )*}
        };
    }

    on_units!(
        matches_the_reference,
        matches_at_odd_sizes,
        rows_without_edges_are_zero,
        bits_are_of_the_neighbors_alone,
        forces_of_the_built_in_system_keep_the_bar,
    );

    fn units(device: Result<Device>) -> GpuOps {
        GpuOps(device.unwrap_or_else(|error| panic!("{error}")), common::UNITS)
    }

    fn rms(values: impl Iterator<Item = f64>, n: usize) -> f64 {
        (values.map(|x| x * x).sum::<f64>() / n.max(1) as f64).sqrt()
    }

    /// Operands have 11 significant bits: a rounding is at most 2^-11 of a number, by the mean square
    /// about 2e-4. The hidden layer, slopes and both weights are rounded, weights so that they make
    /// up for each other where edges are as in a dense system, which those of a test need not be.
    /// Nothing may lose more than the bar of [`Precision::Mixed`].
    const UNITS: f64 = 1e-3;

    /// Coefficients, features, gradients and up to four results on the way are rounded; and tables
    /// differ by 3e-5 of the largest slope, which is some five times the root mean square of slopes.
    const TABLES: f64 = 2e-3;

    #[track_caller]
    fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
        let n = expected.len();
        let error = rms(found.iter().zip(expected).map(|(x, y)| x - y), n);
        let allowed = tolerance * rms(expected.iter().copied(), n);
        assert!(error <= allowed, "{what}: error {error:e} > {allowed:e}");
    }

    fn compare(
        (ops, tolerance): (&dyn Ops, f64),
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        x: &[[f64; 3]],
    ) {
        let n = x.len() * schnet.n_filters();
        let (y, grad_m) = (numbers(1, n, 1.0), numbers(2, n, 1.0));
        let what = format!("{:?} {:?}", schnet.radial_basis.cutoff, schnet.activation);
        let forward = |ops: &dyn Ops| ops.cfconv_forward(schnet, block, graph, x, &y).unwrap();
        assert_near(&format!("{what}: m"), &forward(ops), &forward(&ReferenceOps), tolerance);
        let backward =
            |ops: &dyn Ops| ops.cfconv_backward(schnet, block, graph, x, &y, &grad_m).unwrap();
        let ((found_y, found_force), (grad_y, force)) = (backward(ops), backward(&ReferenceOps));
        assert_near(&format!("{what}: grad_y"), &found_y, &grad_y, tolerance);
        assert_near(
            &format!("{what}: force"),
            found_force.as_flattened(),
            force.as_flattened(),
            tolerance,
        );
    }

    fn matches_the_reference(device: Result<Device>) {
        let ops = units(device);
        every_form(&|schnet, block, graph, x| compare((&ops, UNITS), schnet, block, graph, x));
    }

    fn matches_at_odd_sizes(device: Result<Device>) {
        let ops = units(device);
        odd_sizes(&|schnet, block, graph, x| compare((&ops, UNITS), schnet, block, graph, x));
    }

    fn rows_without_edges_are_zero(device: Result<Device>) {
        let ops = units(device);
        empty_rows(&ops, &|schnet, block, graph, x| {
            compare((&ops, UNITS), schnet, block, graph, x)
        });
    }

    /// Messages, their gradient and forces of a graph.
    fn results(ops: &GpuOps, graph: &Graph, x: &[[f64; 3]]) -> [Vec<f64>; 3] {
        let schnet = common::small_schnet();
        let n = 24 * x.len();
        let (y, grad_m) = (numbers(1, n, 1.0), numbers(2, n, 1.0));
        let m = ops.cfconv_forward(&schnet, 0, graph, x, &y).unwrap();
        let (grad_y, force) = ops.cfconv_backward(&schnet, 0, graph, x, &y, &grad_m).unwrap();
        [m, grad_y, force.into_flattened()]
    }

    /// Pairs beyond the cutoff, and what else a workgroup has to do, show in no bit. Rows are long
    /// enough for several looks at the list.
    fn bits_are_of_the_neighbors_alone(device: Result<Device>) {
        let ops = units(device);
        let near = points(6, 300, 6.5);
        let list =
            |x: &[[f64; 3]], radius| ReferenceOps.neighbor_list(x, &[0, x.len()], radius).unwrap();
        let (short, long) = (list(&near, 7.0), list(&near, 16.0));
        assert!(long.col.len() > 256 * near.len() && short.col.len() < 200 * near.len());
        let alone = results(&ops, &short, &near);
        assert!(alone == results(&ops, &long, &near), "bits depend on the list");

        // So many rows that a workgroup has several.
        let far = |k: usize| [100.0 + 20.0 * k as f64, 0.0, 0.0];
        let many: Vec<[f64; 3]> = near.iter().copied().chain((0..8000).map(far)).collect();
        let mut row_ptr = short.row_ptr.clone();
        row_ptr.resize(many.len() + 1, short.col.len() as u32);
        let among = results(&ops, &Graph { row_ptr, col: short.col.clone() }, &many);
        for (among, alone) in among.iter().zip(&alone) {
            assert!(among[..alone.len()] == *alone, "bits depend on the rows of a workgroup");
            assert!(among[alone.len()..].iter().all(|x| *x == 0.0));
        }
    }

    /// The bar of [`Precision::Mixed`] where errors of all blocks have come together. f32 on the CPU
    /// is as good as the truth here.
    fn forces_of_the_built_in_system_keep_the_bar(device: Result<Device>) {
        let GpuOps(device, numerics) = units(device);
        let structure = flashschnet::builtin::structure();
        let system = System::new(&flashschnet::builtin::model(), std::slice::from_ref(&structure));
        let system = system.unwrap();
        let velocities = vec![[0.0; 3]; structure.positions.len()];
        let state = State { positions: structure.positions, velocities, step: 0 };
        let forces = |engine: &mut dyn Engine| {
            engine.set_state(&state).unwrap();
            engine.evaluate(Terms::Network).unwrap().forces.into_flattened()
        };
        let found = forces(&mut Wgpu::new(&device, system.clone(), numerics).unwrap());
        let expected = forces(&mut Cpu::new(system, Filter::Exact).unwrap());
        assert_near("force", &found, &expected, UNITS);
    }
}
