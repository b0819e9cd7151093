//! `cfconv_forward` and `cfconv_backward`.

use flashschnet::model::{Activation, Cutoff, RadialBasis, SchNet};
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::ReferenceOps;

use crate::common::{
    self, ACTIVATIONS, Backend, assert_close, bases, cutoffs, numbers, points, schnet,
};

on_every_backend!(matches_the_reference, matches_at_odd_sizes, rows_without_edges_are_zero);
on_every_backend!(
    @ wgpu_portable:
    matches_at_odd_sizes,
    rows_without_edges_are_zero
);

/// Compares both operations on a network, the number of its block, a graph and the positions.
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

/// Every basis, and every pair of an envelope and an activation. The code of a basis does not depend
/// on the other two, so not every triple is needed.
fn every_form(compare: Compare) {
    every_basis(1, compare);
    let (bases, cutoffs) = (bases(17, 7.0), cutoffs(7.0));
    forms((0..12).map(|k| (bases[1].clone(), cutoffs[k / 3], ACTIVATIONS[k % 3])), compare);
}

/// Every basis, or one of `step`.
fn every_basis(step: usize, compare: Compare) {
    let (bases, cutoffs) = (bases(17, 7.0), cutoffs(7.0));
    let of = |k: usize| (bases[k].clone(), cutoffs[k % 4], ACTIVATIONS[k % 3]);
    forms((0..bases.len()).step_by(step).map(of), compare);
}

fn forms(forms: impl Iterator<Item = (RadialBasis, Cutoff, Activation)>, compare: Compare) {
    let positions = points(3, 37, 6.0);
    let graph = ReferenceOps.neighbor_list(&positions, &[0, 20, 37], 7.0).unwrap();
    for (basis, cutoff, activation) in forms {
        let schnet = schnet((8, 24, 1), basis, cutoff, activation);
        compare(&schnet, 0, &graph, &positions);
    }
}

fn matches_at_odd_sizes(backend: &Backend) {
    odd_sizes(&|schnet, block, graph, x| compare(backend, schnet, block, graph, x));
}

fn odd_sizes(compare: Compare) {
    // From a few neighbors of a bead to all others. The last case has more pairs than a chunk of
    // the CPU backend.
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

/// Mixed precision: tabulated filters stored in 16 bits, and exact filters on tensor cores. The
/// emulated tensor cores use the same layouts and the same roundings of operands.
mod mixed {
    use std::sync::Arc;

    use flashschnet::cpu::Cpu;
    use flashschnet::engine::{Dynamics, Engine, Filter, Terms};
    use flashschnet::gpu::{Device, FeatureSet, GpuEngine, GpuOps};
    use flashschnet::model::Model;
    use flashschnet::structure::{Structure, Topology};
    use flashschnet::system::System;

    use super::*;

    /// Tabulated filters stored in 16 bits, with arithmetic in 16 bits and in f32.
    fn tables() -> [GpuOps; 2] {
        [common::device_with_f16(), common::device(FeatureSet::Portable)]
            .map(|device| GpuOps(device, common::MIXED))
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

    /// Makes tests from each function: on emulated tensor cores, and on those of hardware. A normal run
    /// leaves out those that take long on emulated ones.
    macro_rules! on_tensor_cores {
        ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
            mod emulated {$(
                #[test]
                $(#[$attribute])*
                fn $test() {
                    super::$test(super::common::emulated());
                }
            )*}
            mod wgpu {$(
                #[test]
                #[ignore = "needs an adapter with tensor cores"]
                fn $test() {
                    let device = super::common::device(super::FeatureSet::Full);
                    assert!(device.has_matrices(), "no tensor cores on {}", device.name());
                    super::$test(device);
                }
            )*}
            #[cfg(feature = "cuda")]
            mod cuda {$(
                #[test]
                #[ignore = "needs CUDA"]
                fn $test() {
                    let device = super::common::cuda_device();
                    assert!(device.has_matrices());
                    super::$test(device);
                }
            )*}
        };
    }

    on_tensor_cores!(
        matches_the_reference,
        #[ignore = "takes long without a GPU"]
        matches_at_odd_sizes,
        rows_without_edges_are_zero,
        #[ignore = "takes long without a GPU"]
        bits_are_of_the_neighbors_alone,
        #[ignore = "takes long without a GPU"]
        forces_of_the_built_in_system_keep_the_bar,
    );

    fn tensor_cores(device: Device) -> GpuOps {
        GpuOps(device, common::MIXED_EXACT)
    }

    fn rms(values: impl Iterator<Item = f64>, n: usize) -> f64 {
        (values.map(|x| x * x).sum::<f64>() / n.max(1) as f64).sqrt()
    }

    /// Tolerance of exact filters, relative to the root mean square. Operands have 11 significant
    /// bits, so one rounding changes a number by at most 2⁻¹¹ and by about 2e-4 in the root mean
    /// square. The hidden layer, the slopes and both weights are rounded. The weights are rounded
    /// so that their errors cancel for the distribution of edges in a dense system, which a test
    /// system need not have. The error may not exceed the bound of [`Precision::Mixed`].
    const TENSOR_CORES: f64 = 1e-3;

    /// Tolerance of tabulated filters, relative to the root mean square. Coefficients, features,
    /// gradients and up to four intermediate results are rounded to 16 bits. In addition the tables
    /// differ from the networks by up to 3e-5 of the largest slope, which is about five times the
    /// root mean square of the slopes.
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

    /// `scales::every_activation_is_right_in_16_bits` has the other activations.
    fn matches_the_reference(device: Device) {
        // An emulated kernel compiles for seconds. The code of a basis is that of `cfconv_forward`.
        let step = if device.has_matrices() { 1 } else { 4 };
        let ops = tensor_cores(device);
        every_basis(step, &|schnet, block, graph, x| {
            compare((&ops, TENSOR_CORES), schnet, block, graph, x)
        });
    }

    fn matches_at_odd_sizes(device: Device) {
        let ops = tensor_cores(device);
        odd_sizes(&|schnet, block, graph, x| {
            compare((&ops, TENSOR_CORES), schnet, block, graph, x)
        });
    }

    fn rows_without_edges_are_zero(device: Device) {
        let ops = tensor_cores(device);
        empty_rows(&ops, &|schnet, block, graph, x| {
            compare((&ops, TENSOR_CORES), schnet, block, graph, x)
        });
    }

    /// The messages, the gradient of y and the forces on a graph.
    fn results(ops: &GpuOps, graph: &Graph, x: &[[f64; 3]]) -> [Vec<f64>; 3] {
        let schnet = common::small_schnet();
        let n = 24 * x.len();
        let (y, grad_m) = (numbers(1, n, 1.0), numbers(2, n, 1.0));
        let m = ops.cfconv_forward(&schnet, 0, graph, x, &y).unwrap();
        let (grad_y, force) = ops.cfconv_backward(&schnet, 0, graph, x, &y, &grad_m).unwrap();
        [m, grad_y, force.into_flattened()]
    }

    /// The bits of a row depend neither on listed pairs beyond the cutoff nor on the other rows of
    /// its workgroup. The rows are so long that a kernel reads each of them in several pieces.
    fn bits_are_of_the_neighbors_alone(device: Device) {
        let ops = tensor_cores(device);
        let near = points(6, 300, 6.5);
        let list =
            |x: &[[f64; 3]], radius| ReferenceOps.neighbor_list(x, &[0, x.len()], radius).unwrap();
        let (short, long) = (list(&near, 7.0), list(&near, 16.0));
        assert!(long.col.len() > 256 * near.len() && short.col.len() < 200 * near.len());
        let alone = results(&ops, &short, &near);
        assert!(alone == results(&ops, &long, &near), "bits depend on the list");

        // Enough rows that a workgroup computes several of them.
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

    /// The `n` beads of the built-in system that are nearest to its center, without tuple lists.
    fn middle(n: usize) -> Structure {
        let whole = flashschnet::builtin::structure();
        let distance = |i: &usize| whole.positions[*i].iter().map(|x| x * x).sum::<f64>();
        let mut beads: Vec<usize> = (0..whole.positions.len()).collect();
        beads.sort_by(|i, j| distance(i).total_cmp(&distance(j)));
        beads.truncate(n);
        let topology = Topology {
            types: beads.iter().map(|i| whole.topology.types[*i]).collect(),
            masses: beads.iter().map(|i| whole.topology.masses[*i]).collect(),
            lists: Vec::new(),
        };
        let positions = beads.iter().map(|i| whole.positions[*i]).collect();
        Structure { topology: Arc::new(topology), positions, velocities: None }
    }

    /// The forces of a whole network, with the errors of all blocks, keep the bound of
    /// [`Precision::Mixed`]. The CPU's f32 is exact enough for the expected forces.
    fn forces_of_the_built_in_system_keep_the_bar(device: Device) {
        let GpuOps(device, numerics) = tensor_cores(device);
        // The emulation is slow, so it computes the dense middle of the system.
        let n_beads = if device.has_matrices() { 269 } else { 40 };
        let structure = middle(n_beads);
        let model = Model { priors: Vec::new(), ..flashschnet::builtin::model() };
        let system = System::new(&model, std::slice::from_ref(&structure)).unwrap();
        let forces = |engine: &mut dyn Engine| {
            engine.set_positions(&structure.positions).unwrap();
            engine.evaluate(Terms::Network).unwrap().forces.into_flattened()
        };
        let dynamics = Dynamics::none(&system);
        let gpu = GpuEngine::new(&device, system.clone(), &dynamics, numerics);
        let found = forces(&mut gpu.unwrap());
        let expected = forces(&mut Cpu::new(system, &dynamics, Filter::Exact).unwrap());
        assert_near("force", &found, &expected, TENSOR_CORES);
    }
}
