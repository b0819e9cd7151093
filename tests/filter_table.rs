//! Tabulated filters against the filter networks that they replace.

use flashschnet::cpu::Cpu;
use flashschnet::engine::{Engine, Filter, Terms};
use flashschnet::model::{FilterTable, RadialFunctions};
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::{Reference, ReferenceOps};

use crate::common::small_schnet;
use crate::common::{
    self, ACTIVATIONS, assert_close, bases, chains, cutoffs, farthest_apart, hot, schnet, truth,
};

/// W_f(d) and W'_f(d) of channel f by the reference, from a pair of beads at distance d. With y = 1
/// the message is W_f. With grad_m = 1 on channel f of the second bead alone, the force on the
/// first bead is W'_f.
fn exact(network: &flashschnet::model::SchNet, d: f64, f: usize) -> [f64; 2] {
    let n_filters = network.n_filters();
    let graph = Graph { row_ptr: vec![0, 1, 2], col: vec![1, 0] };
    let positions = [[0.0; 3], [d, 0.0, 0.0]];
    let ones = vec![1.0; 2 * n_filters];
    let m = ReferenceOps.cfconv_forward(network, 0, &graph, &positions, &ones).unwrap();
    let mut grad_m = vec![0.0; 2 * n_filters];
    grad_m[n_filters + f] = 1.0;
    let (_, force) =
        ReferenceOps.cfconv_backward(network, 0, &graph, &positions, &ones, &grad_m).unwrap();
    [m[f], force[0][0]]
}

fn tabulated(table: &FilterTable, n_filters: usize, d: f64, f: usize) -> [f64; 2] {
    let at = table.place(d);
    let s = at.s;
    let [c0, c1, c2, c3] = table.coefficients[0][at.interval * n_filters + f];
    [c0 + s * (c1 + s * (c2 + s * c3)), (c1 + s * (2.0 * c2 + s * 3.0 * c3)) * at.rate]
}

/// Measures the error at other distances than those at which the table measured it. The largest
/// error of a cubic lies at the table's own distances only to leading order, so the tolerance has
/// some margin.
#[test]
fn is_within_its_tolerance_everywhere() {
    for (k, basis) in bases(17, 7.0).into_iter().enumerate() {
        let network = schnet((8, 5, 1), basis, cutoffs(7.0)[k % 4], ACTIVATIONS[k % 3]);
        for tolerance in [1e-3, 1e-5] {
            let table = FilterTable::new(&network, tolerance).unwrap();
            assert!(table.slope_error <= tolerance);
            let distances = (0..700).map(|k| 7.0 * (f64::from(k) + 0.37) / 700.0);
            let (mut error, mut largest) = ([0.0_f64; 2], [0.0_f64; 2]);
            for d in distances {
                let (found, expected) = (tabulated(&table, 5, d, 3), exact(&network, d, 3));
                for c in 0..2 {
                    error[c] = error[c].max((found[c] - expected[c]).abs());
                    largest[c] = largest[c].max(expected[c].abs());
                }
            }
            // The table's tolerance is relative to the largest slope of all channels. The factor 20
            // allows for a smaller largest slope of this channel, and for the margin above.
            assert!(error[1] <= 20.0 * tolerance * largest[1], "{k}: {error:?} of {largest:?}");
            assert!(error[0] <= 20.0 * tolerance * largest[0], "{k}: {error:?} of {largest:?}");
        }
    }
}

/// The table is so coarse that results agree within single precision only if both engines use the
/// same cubic pieces.
#[test]
fn the_cpu_computes_what_the_reference_computes_from_the_same_table() {
    let (system, state) = chains(40, 2);
    let filter = Filter::Table { tolerance: 1.0 };
    let mut cpu = Cpu::new(system.clone(), &hot(2), filter).unwrap();
    let mut reference = Reference::with_filter(system.clone(), &hot(2), filter).unwrap();
    let mut exact = truth(system);
    let mut evaluate = |engine: &mut dyn Engine| {
        engine.set_state(&state).unwrap();
        engine.evaluate(Terms::Network).unwrap()
    };
    let [found, expected, exact] =
        [&mut cpu as &mut dyn Engine, &mut reference, &mut exact].map(&mut evaluate);
    assert_close("bead energy", &found.bead_energy, &expected.bead_energy, 1e-5);
    let [found, expected, exact] = [found, expected, exact].map(|e| e.forces);
    assert_close("forces", found.as_flattened(), expected.as_flattened(), 2e-5);
    let apart = farthest_apart(exact.as_flattened(), expected.as_flattened());
    assert!(apart > 1e-4, "{apart:e}");
}

#[test]
fn cells_join_and_end_at_the_breakpoints() {
    let cutoff = cutoffs(7.0)[3];
    let network = schnet((8, 5, 1), bases(17, 7.0).swap_remove(2), cutoff, ACTIVATIONS[0]);
    let table = FilterTable::new(&network, 1e-4).unwrap();
    let mut at = 0.0;
    for cell in &table.cells {
        assert!((cell.start - at).abs() < 1e-12, "{cell:?} does not start at {at}");
        at = cell.start + cell.n_intervals as f64 / cell.rate;
    }
    assert!((at - 7.0).abs() < 1e-12);
    // The shifted cosine starts to fall 1.5 Å before the cutoff, and the envelope of the basis
    // starts at 2 Å.
    for breakpoint in [2.0, 5.5] {
        assert!(table.stretches.iter().any(|stretch| (stretch.start - breakpoint).abs() < 1e-12));
    }
}

#[test]
fn a_tolerance_no_table_can_meet_is_refused() {
    let network = common::small_schnet();
    for tolerance in [0.0, -1.0, f64::NAN, 1e-30] {
        assert!(FilterTable::new(&network, tolerance).is_err(), "{tolerance}");
    }
}

/// A radial function so narrow that it stands between the sampled distances must not be missed.
#[test]
fn a_table_does_not_miss_a_narrow_function() {
    let mut schnet = small_schnet();
    let offset = (0..schnet.radial_basis.n_rbf()).map(|k| 3.79985 + 1e-3 * k as f64).collect();
    let coeff = -0.5 / (3e-4_f64 * 3e-4);
    let gaussian = RadialFunctions::Gaussian { coeff, offset };
    // The functions begin within 1e-3 Å, at a distance where t(d) is huge on one side.
    let warped = RadialFunctions::ExpNormal {
        alpha: 1e4,
        lower: 3.79985,
        means: vec![1.0; schnet.radial_basis.n_rbf()],
        betas: vec![16.0; schnet.radial_basis.n_rbf()],
    };
    for functions in [gaussian, warped] {
        schnet.radial_basis.functions = functions;
        let error = FilterTable::new(&schnet, 1e-6).unwrap_err().to_string();
        assert!(error.contains("exact filters"), "{error}");
    }
}
