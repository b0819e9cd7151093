//! Code that the tests share: the backends, the comparison, and seeded fixtures.
//!
//! Fixtures are rounded to f32, so that every backend gets the same input.
#![allow(dead_code, unused_macros, reason = "every test file uses a part")]

pub(crate) mod dcd;
pub(crate) mod peptide;
pub(crate) mod program;
pub(crate) mod repeat;
pub(crate) mod small;

use std::sync::{Arc, LazyLock};

use flashschnet::cpu::{Cpu, CpuOps};
use flashschnet::engine::{
    Dynamics, Engine, Filter, Integrator, Numerics, Precision, State, Watch,
};
use flashschnet::error::{Error, Result};
use flashschnet::gpu::{Device, FeatureSet, GpuEngine, GpuOps};
use flashschnet::model::{
    Activation, Cutoff, Interaction, Linear, Model, Prior, PriorForm, PriorParameters, RadialBasis,
    RadialFunctions, SchNet,
};
use flashschnet::ops::Ops;
use flashschnet::random::{Stream, uniform4};
use flashschnet::reference::Reference;
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;

/// A part of a message that ends with the system's words for a file that is not there.
macro_rules! no_file {
    ($before:literal) => {
        match cfg!(windows) {
            true => concat!($before, "The system cannot find the "),
            false => concat!($before, "No such file"),
        }
    };
}

/// A backend under test.
pub(crate) struct Backend {
    pub(crate) ops: Box<dyn Ops>,
    pub(crate) engine: fn(System, &Dynamics) -> Result<Box<dyn Engine>>,
    /// How much of the reference data `verify` computes in a normal test run.
    pub(crate) extent: Extent,
}

/// The tolerance of a whole engine in f32, relative to the largest magnitude: that of the operations
/// with the largest errors, which dominate the sum.
pub(crate) const ENGINE: f64 = 1e-5;

/// How many steps of a reference trajectory a backend computes, for small systems and for those of
/// 269 beads. With 0, it leaves out all cases of that size. `tests/long/verify` computes everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) small: usize,
    pub(crate) large: usize,
}

impl Extent {
    pub(crate) const ALL: Extent = Extent { small: usize::MAX, large: usize::MAX };
    /// Steps of large cases take seconds.
    pub(crate) const OF_REFERENCE: Extent = Extent { small: 8, large: 1 };
    /// On a software adapter a step of 269 beads takes a second.
    const SHORT: Extent = Extent { small: 8, large: 2 };
    /// Other backends compute the large cases.
    const SMALL: Extent = Extent { small: 4, large: 0 };
}

impl Backend {
    /// An engine for evaluations only.
    pub(crate) fn still(&self, system: System) -> Box<dyn Engine> {
        let dynamics = Dynamics::none(&system);
        (self.engine)(system, &dynamics).unwrap()
    }

    /// An engine that starts from a state.
    pub(crate) fn moving(
        &self,
        system: System,
        dynamics: &Dynamics,
        state: &State,
    ) -> Box<dyn Engine> {
        let mut engine = (self.engine)(system, dynamics).unwrap();
        engine.set_state(state).unwrap();
        engine
    }
}

/// The f64 reference as a backend.
pub(crate) fn reference() -> Backend {
    Backend { engine: |system, dynamics| Ok(Box::new(Reference::new(system, dynamics)?)), ..cpu() }
}

/// The f64 reference's engine, for evaluations only.
pub(crate) fn truth(system: System) -> Reference {
    let dynamics = Dynamics::none(&system);
    Reference::new(system, &dynamics).unwrap()
}

pub(crate) fn cpu() -> Backend {
    Backend {
        ops: Box::new(CpuOps(Filter::Exact)),
        engine: |system, dynamics| Ok(Box::new(Cpu::new(system, dynamics, Filter::Exact)?)),
        extent: Extent::ALL,
    }
}

/// The CPU with tabulated filters.
pub(crate) fn cpu_table() -> Backend {
    Backend {
        ops: Box::new(CpuOps(Filter::TABLE)),
        engine: |system, dynamics| Ok(Box::new(Cpu::new(system, dynamics, Filter::TABLE)?)),
        extent: Extent::ALL,
    }
}

/// The device of adapter 0, the best one; it is a software adapter if there is no GPU. All tests
/// share one device per set of features. A test fails without an adapter.
pub(crate) fn device(features: FeatureSet) -> Device {
    static FULL: LazyLock<Device> = LazyLock::new(|| open(FeatureSet::Full));
    static PORTABLE: LazyLock<Device> = LazyLock::new(|| open(FeatureSet::Portable));
    match features {
        FeatureSet::Portable => PORTABLE.clone(),
        _ => FULL.clone(),
    }
}

/// The device of tests of 16-bit arithmetic. Without 16-bit floats the kernels compute in f32, and a
/// test checks their results. It prints so, and `tests/long/swiftshader` lists these tests.
pub(crate) fn device_with_f16() -> Device {
    let device = device(FeatureSet::Full);
    if !device.has_f16() {
        println!("{} has no 16-bit floats: the test runs without them", device.name());
    }
    device
}

/// The device with tensor cores emulated. Without 16-bit floats the library refuses the emulation,
/// and the test runs with the kernels for any device.
pub(crate) fn emulated() -> Device {
    let device = device_with_f16();
    match device.clone().emulating_matrices() {
        Ok(emulated) => emulated,
        Err(error) => {
            assert!(!device.has_f16() && matches!(error, Error::Unsupported { .. }), "{error}");
            device
        }
    }
}

fn open(features: FeatureSet) -> Device {
    Device::open(Some("0"), features)
        .unwrap_or_else(|error| panic!("{error}\n`tests/run` brings a software adapter"))
}

/// Mixed precision with its tabulated filters.
pub(crate) const MIXED: Numerics =
    Numerics { filter: Filter::Table { tolerance: 3e-5 }, precision: Precision::Mixed };

/// Mixed precision with exact filters, which tensor cores compute where the device has them.
pub(crate) const MIXED_EXACT: Numerics =
    Numerics { filter: Filter::Exact, precision: Precision::Mixed };

/// Defines a backend on a shared device.
macro_rules! on_device {
    ($(#[$attribute:meta])* $name:ident, $device:expr, $numerics:expr, $extent:expr) => {
        $(#[$attribute])*
        pub(crate) fn $name() -> Backend {
            Backend {
                ops: Box::new(GpuOps($device, $numerics.into())),
                engine: |system, dynamics| {
                    Ok(Box::new(GpuEngine::new(&$device, system, dynamics, $numerics)?))
                },
                extent: $extent,
            }
        }
    };
}

on_device!(
    /// Exact filters, with all features and limits of the adapter.
    wgpu, device(FeatureSet::Full), Filter::Exact, Extent::SMALL
);
on_device!(
    /// Tabulated filters, with WebGPU's default limits and no optional feature.
    wgpu_table, device(FeatureSet::Portable), Filter::TABLE, Extent::SHORT
);
on_device!(
    /// Exact filters, with WebGPU's default limits and no optional feature. Only the kernels of these
    /// filters are not those of `wgpu_table`, so only tests of a network run on it.
    wgpu_portable, device(FeatureSet::Portable), Filter::Exact, Extent::SMALL
);
on_device!(
    /// Tabulated filters, with linear layers as on tensor cores. Loops emulate the arithmetic of
    /// the tensor cores, which is as exact as f32.
    wgpu_emulated, emulated(), Filter::TABLE, Extent::SMALL
);
on_device!(
    /// Exact filters in mixed precision, on emulated tensor cores.
    wgpu_matrix, emulated(), MIXED_EXACT, Extent::SMALL
);
on_device!(
    /// Exact filters in mixed precision, with linear layers in 16-bit integers.
    wgpu_mixed_exact, device(FeatureSet::Portable), MIXED_EXACT, Extent::SMALL
);
on_device!(
    /// Tabulated filters in mixed precision. The arithmetic is 16-bit where the adapter supports
    /// it, as Mesa's software adapter does.
    wgpu_mixed, device_with_f16(), MIXED, Extent::SMALL
);
on_device!(
    /// Tabulated filters in mixed precision, with 16-bit floats in memory only.
    wgpu_mixed_portable, device(FeatureSet::Portable), MIXED, Extent::SMALL
);

/// Tabulated filters, with an engine for each replica, or for each ladder of replicas.
pub(crate) fn wgpu_batches() -> Backend {
    fn device() -> Device {
        crate::common::device(FeatureSet::Full).with_batch_bytes(1)
    }
    Backend {
        ops: Box::new(GpuOps(device(), Filter::TABLE.into())),
        engine: |system, dynamics| {
            flashschnet::Backend::from_device(device()).engine(system, dynamics)
        },
        extent: Extent::SHORT,
    }
}

/// The CUDA device, opened once. Tests that use it are ignored by default.
#[cfg(feature = "cuda")]
pub(crate) fn cuda_device() -> Device {
    static DEVICE: LazyLock<Device> =
        LazyLock::new(|| Device::open_cuda(None).unwrap_or_else(|error| panic!("{error}")));
    DEVICE.clone()
}

on_device!(
    /// Exact filters in f32.
    #[cfg(feature = "cuda")]
    cuda, cuda_device(), Filter::Exact, Extent::ALL
);
on_device!(
    /// Tabulated filters in f32.
    #[cfg(feature = "cuda")]
    cuda_table, cuda_device(), Filter::TABLE, Extent::ALL
);
on_device!(
    /// Tabulated filters in mixed precision.
    #[cfg(feature = "cuda")]
    cuda_mixed, cuda_device(), MIXED, Extent::ALL
);
on_device!(
    /// Exact filters in mixed precision, on tensor cores.
    #[cfg(feature = "cuda")]
    cuda_matrix, cuda_device(), MIXED_EXACT, Extent::ALL
);

/// Makes one `#[test]` per backend from each function of a `&Backend`. Ignored by default: tests on
/// CUDA (`@ hardware`), and `@ slow` ones, which take long on a software adapter.
macro_rules! on_every_backend {
    (@ ignored $why:literal $backend:ident: $($test:ident),*) => {
        mod $backend {
            $(#[test]
            #[ignore = $why]
            fn $test() {
                super::$test(&crate::common::$backend());
            })*
        }
    };
    (@ slow $backend:ident: $($test:ident),*) => {
        on_every_backend!(@ ignored "takes long without a GPU" $backend: $($test),*);
    };
    (@ hardware $backend:ident: $($test:ident),*) => {
        #[cfg(feature = "cuda")]
        on_every_backend!(@ ignored "needs CUDA" $backend: $($test),*);
    };
    (@ $backend:ident: $($test:ident),*) => {
        mod $backend {
            $(#[test]
            fn $test() {
                super::$test(&crate::common::$backend());
            })*
        }
    };
    ($($test:ident),* $(,)?) => {
        on_every_backend!(@ cpu: $($test),*);
        on_every_backend!(@ cpu_table: $($test),*);
        on_every_backend!(@ wgpu: $($test),*);
        on_every_backend!(@ wgpu_table: $($test),*);
        on_every_backend!(@ hardware cuda: $($test),*);
        on_every_backend!(@ hardware cuda_table: $($test),*);
    };
}

/// Makes one `#[test]` per backend from each function. Of those on wgpu, a normal run has the one with
/// tabulated filters. That is enough for dynamics, whose kernels depend neither on the features of a
/// device nor on the filters. With exact filters a step of a software adapter takes ten times as long.
macro_rules! with_tables {
    ($($test:ident),* $(,)?) => {
        on_every_backend!(@ cpu: $($test),*);
        on_every_backend!(@ cpu_table: $($test),*);
        on_every_backend!(@ slow wgpu: $($test),*);
        on_every_backend!(@ wgpu_table: $($test),*);
        on_every_backend!(@ hardware cuda: $($test),*);
        on_every_backend!(@ hardware cuda_table: $($test),*);
    };
}

/// Makes one `#[test]` per kind of backend from each function, for systems without a network: the
/// kernels on a device do not depend on its features and on the filters then. The same goes for
/// errors that the host finds by itself.
macro_rules! without_network {
    ($($test:ident),* $(,)?) => {
        mod without_network {
            use super::*;

            on_every_backend!(@ cpu: $($test),*);
            on_every_backend!(@ wgpu: $($test),*);
            on_every_backend!(@ hardware cuda: $($test),*);
        }
    };
}

/// Makes one `#[test]` per backend in mixed precision from each function.
macro_rules! on_mixed_backends {
    ($($test:ident),* $(,)?) => {
        on_every_backend!(@ wgpu_mixed: $($test),*);
        on_every_backend!(@ wgpu_mixed_portable: $($test),*);
        on_every_backend!(@ hardware cuda_mixed: $($test),*);
        on_every_backend!(@ hardware cuda_matrix: $($test),*);
    };
}

/// Panics unless every |found − expected| is at most `tolerance` times the largest |expected|. The
/// message names the element with the largest error. A NaN on either side is an error.
#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let allowed = tolerance * largest;
    // In this order a NaN is larger than every number.
    let error = |k: &usize| (found[*k] - expected[*k]).abs();
    let Some(worst) = (0..found.len()).max_by(|a, b| {
        error(a).is_nan().cmp(&error(b).is_nan()).then(error(a).total_cmp(&error(b)))
    }) else {
        return;
    };
    assert!(
        error(&worst) <= allowed,
        "{what}[{worst}]: found {:e}, expected {:e}, error {:e} > {allowed:e}",
        found[worst],
        expected[worst],
        error(&worst),
    );
}

/// The largest |x − y|, relative to the largest |y|.
pub(crate) fn farthest_apart(x: &[f64], y: &[f64]) -> f64 {
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    largest(&mut x.iter().zip(y).map(|(x, y)| (x - y).abs()))
        / largest(&mut y.iter().map(|y| y.abs()))
}

/// `n` seeded numbers in (−scale, scale).
pub(crate) fn numbers(seed: u64, n: usize, scale: f64) -> Vec<f64> {
    let draws = (0..n.div_ceil(4) as u64).flat_map(|k| uniform4(seed, Stream::Model, 0, k, 0));
    draws.take(n).map(|u| f64::from((scale * (2.0 * u - 1.0)) as f32)).collect()
}

/// `n` seeded points in a cube of half edge `scale`.
pub(crate) fn points(seed: u64, n: usize, scale: f64) -> Vec<[f64; 3]> {
    numbers(seed, 3 * n, scale).chunks_exact(3).map(|x| [x[0], x[1], x[2]]).collect()
}

pub(crate) fn linear(seed: u64, n_in: usize, n_out: usize, bias: bool) -> Linear {
    let scale = 1.5 / (n_in as f64).sqrt();
    let bias = bias.then(|| numbers(seed + 1, n_out, 0.3));
    Linear { n_in, n_out, weight: numbers(seed, n_in * n_out, scale), bias }
}

pub(crate) const ACTIVATIONS: [Activation; 5] = [
    Activation::Tanh,
    Activation::Silu,
    Activation::ShiftedSoftplus { shift: 0.693_147_182_464_599_6 },
    Activation::Sigmoid,
    Activation::Mish,
];

/// Every radial basis with every envelope that it may have, for a cutoff radius of `upper`, Å.
pub(crate) fn bases(n_rbf: usize, upper: f64) -> Vec<RadialBasis> {
    let grid = |top: f64| (0..n_rbf).map(|k| top * k as f64 / (n_rbf - 1) as f64).collect();
    let spacing = upper / (n_rbf - 1) as f64;
    let functions = [
        RadialFunctions::Gaussian { coeff: -0.5 / (spacing * spacing), offset: grid(upper) },
        RadialFunctions::ExpNormal {
            alpha: 5.0 / upper,
            lower: 0.5,
            means: grid(1.0),
            betas: vec![(n_rbf * n_rbf) as f64 / 4.0; n_rbf],
        },
        RadialFunctions::SpacedExp {
            means: grid(upper),
            betas: (1..=n_rbf).map(|k| spacing * spacing * (1.0 + 0.1 * k as f64)).collect(),
        },
    ];
    let cutoffs = [
        Cutoff::Identity { lower: 0.0, upper },
        Cutoff::Cosine { lower: 0.0, upper },
        Cutoff::Cosine { lower: 2.0, upper },
    ];
    let every = |functions: RadialFunctions| {
        cutoffs.map(|cutoff| RadialBasis { functions: functions.clone(), cutoff })
    };
    functions.into_iter().flat_map(every).collect()
}

/// Every envelope of a continuous-filter convolution, for a cutoff radius of `upper`, Å.
pub(crate) fn cutoffs(upper: f64) -> [Cutoff; 4] {
    [
        Cutoff::Cosine { lower: 0.0, upper },
        Cutoff::Identity { lower: 0.0, upper },
        Cutoff::Cosine { lower: 1.5, upper },
        Cutoff::ShiftedCosine { upper, width: 1.5 },
    ]
}

/// Sizes of a network: hidden channels, filters, interaction blocks.
pub(crate) type Sizes = (usize, usize, usize);

pub(crate) fn schnet(
    (n_hidden, n_filters, n_blocks): Sizes,
    radial_basis: RadialBasis,
    cutoff: Cutoff,
    activation: Activation,
) -> SchNet {
    let n_rbf = radial_basis.n_rbf();
    let block = |b: u64| Interaction {
        filter0: linear(100 * b + 10, n_rbf, n_filters, true),
        filter1: linear(100 * b + 20, n_filters, n_filters, false),
        lin1: linear(100 * b + 30, n_hidden, n_filters, false),
        lin2: linear(100 * b + 40, n_filters, n_hidden, true),
        lin: linear(100 * b + 50, n_hidden, n_hidden, true),
    };
    SchNet {
        n_types: 5,
        n_hidden,
        embedding: numbers(5, 5 * n_hidden, 1.0),
        radial_basis,
        cutoff,
        activation,
        interactions: (0..n_blocks as u64).map(block).collect(),
        readout: vec![linear(60, n_hidden, 19, true), linear(70, 19, 1, false)],
        max_num_neighbors: None,
        neighbor_embedding: None,
        constants: None,
    }
}

/// A network with a cutoff radius of 7 Å.
pub(crate) fn small_schnet() -> SchNet {
    let upper = 7.0;
    let basis = bases(9, upper).swap_remove(1);
    schnet((20, 24, 2), basis, Cutoff::Cosine { lower: 0.0, upper }, Activation::Tanh)
}

/// The priors of published models for a chain of `n` beads, with parameters for each tuple.
pub(crate) fn priors(n: usize) -> Vec<Prior> {
    every_prior(n).drain(..4).collect()
}

/// The parameters of a form, a little different for each `t`.
fn parameters(form: PriorForm, t: usize) -> Vec<f64> {
    let (seed, few) = (200 + t as u64, 0.0625 * (t % 5) as f64);
    match form {
        PriorForm::HarmonicBond => vec![40.0 + t as f64, 3.8, 0.25],
        PriorForm::HarmonicAngle => vec![8.0 + t as f64, -0.125, 0.5],
        PriorForm::HarmonicAngleRaw => vec![6.0 + t as f64, 1.75, 0.5],
        PriorForm::HarmonicImproper => vec![3.0 + few, 0.5, -0.25],
        PriorForm::ShiftedHarmonicImproper => vec![2.5 + few, -0.5, 0.125],
        PriorForm::Dihedral { .. } => numbers(seed, 7, 1.0),
        PriorForm::QuarticAngle => numbers(seed, 5, 2.0),
        PriorForm::QuarticAngleRaw => numbers(seed, 5, 0.5),
        PriorForm::RestrictedQuartic => numbers(seed, 6, 2.0),
        PriorForm::Repulsion => vec![4.0 + few],
        PriorForm::CutoffRepulsion => vec![4.5 + few, 6.5],
        PriorForm::ExpRepulsion => vec![8.0 + few, 4.5],
        PriorForm::CutoffExpRepulsion => vec![6.0 + few, 4.75, 7.0],
    }
}

/// A prior of every form for a chain of `n` beads, with parameters for each tuple.
pub(crate) fn every_prior(n: usize) -> Vec<Prior> {
    let forms = [
        ("bonds", PriorForm::HarmonicBond),
        ("angles", PriorForm::HarmonicAngle),
        ("dihedrals", PriorForm::Dihedral { degree: 3 }),
        ("non_bonded", PriorForm::Repulsion),
        ("raw_angles", PriorForm::HarmonicAngleRaw),
        ("impropers", PriorForm::HarmonicImproper),
        ("shifted_impropers", PriorForm::ShiftedHarmonicImproper),
        ("quartic_angles", PriorForm::QuarticAngle),
        ("quartic_raw_angles", PriorForm::QuarticAngleRaw),
        ("restricted_quartic", PriorForm::RestrictedQuartic),
        ("cutoff_repulsion", PriorForm::CutoffRepulsion),
        ("exp_repulsion", PriorForm::ExpRepulsion),
        ("cutoff_exp_repulsion", PriorForm::CutoffExpRepulsion),
    ];
    let prior = |(name, form): (&str, PriorForm)| {
        let n_tuples = tuples(form, n).len();
        let values = (0..n_tuples).flat_map(|t| parameters(form, t)).collect();
        Prior { name: name.into(), form, parameters: PriorParameters::PerTuple { values } }
    };
    forms.into_iter().map(prior).collect()
}

fn tuples(form: PriorForm, n: usize) -> Vec<[u32; 4]> {
    let n = n as u32;
    if form.is_repulsion() {
        return (0..n).flat_map(|i| (i + 3..n).map(move |j| [i, j, 0, 0])).collect();
    }
    let order = form.order() as u32;
    (0..(n + 1).saturating_sub(order))
        .map(|i| std::array::from_fn(|k| if (k as u32) < order { i + k as u32 } else { 0 }))
        .collect()
}

/// A chain of `n` beads in a rough helix, about 100 Å from the origin.
pub(crate) fn chain(n: usize, seed: u64) -> Structure {
    let jitter = points(seed, n, 0.2);
    let helix = |(i, jitter): (usize, &[f64; 3])| {
        let (angle, rise) = (1.7 * i as f64, 1.5 * i as f64);
        let x = [2.4 * angle.cos() + 100.0, 2.4 * angle.sin() - 60.0, rise];
        std::array::from_fn(|c| f64::from((x[c] + jitter[c]) as f32))
    };
    let lists = every_prior(n).into_iter().map(|prior| TupleList {
        tuples: tuples(prior.form, n),
        order: prior.form.order(),
        name: prior.name,
    });
    let topology = Topology {
        types: (0..n as u32).map(|i| i % 5).collect(),
        masses: (0..n).map(|i| (20.0 + i as f64) / 418.4).collect(),
        lists: lists.collect(),
    };
    let positions = jitter.iter().enumerate().map(helix).collect();
    Structure { topology: Arc::new(topology), positions, velocities: None }
}

/// `n_replicas` chains of `n` beads with a network and the published priors, and a state at rest.
pub(crate) fn chains(n: usize, n_replicas: usize) -> (System, State) {
    chains_with(small_schnet(), n, n_replicas)
}

/// [`chains`] with the given network.
pub(crate) fn chains_with(schnet: SchNet, n: usize, n_replicas: usize) -> (System, State) {
    let model = Model { schnet: Some(schnet), priors: priors(n) };
    let mut structures: Vec<Structure> = (0..n_replicas as u64).map(|r| chain(n, 40 + r)).collect();
    let topology = structures[0].topology.clone();
    structures.iter_mut().for_each(|structure| structure.topology = topology.clone());
    let system = System::new(&model, &structures).expect("a valid system");
    let state = at_rest(&system, structures.into_iter().flat_map(|s| s.positions).collect());
    (system, state)
}

/// A state at rest in a heat bath of about 1000 K.
pub(crate) fn at_rest(system: &System, positions: Vec<[f64; 3]>) -> State {
    State { beta: vec![0.5; system.n_replicas()], ..State::at_rest(system, positions) }
}

/// Langevin dynamics for states of [`at_rest`]. At about 1000 K chains lose their shape within a
/// hundred steps.
pub(crate) fn hot(n_replicas: usize) -> Dynamics {
    Dynamics {
        integrator: Integrator::Langevin { friction: 5.0 },
        dt: 0.004,
        mts: 1,
        seed: 11,
        replica_ids: (0..n_replicas as u32).collect(),
        exchange: None,
        watch: Watch::default(),
        remove_com_motion: false,
        anneal: Vec::new(),
        metadynamics: None,
    }
}

/// The published priors with bead types as keys, for any molecule with the bead types of [`chain`].
pub(crate) fn keyed_priors() -> Vec<Prior> {
    let keyed = |prior: Prior| {
        let order = prior.form.order();
        let key = |k: usize| -> [u32; 4] {
            match prior.form {
                PriorForm::Repulsion => [k as u32 / 5, k as u32 % 5, 0, 0],
                _ => std::array::from_fn(|i| if i < order { (k + i) as u32 % 5 } else { 0 }),
            }
        };
        let keys: Vec<_> = (0..if order == 2 { 25 } else { 5 }).map(key).collect();
        let mut unique = keys.clone();
        unique.sort_unstable();
        unique.dedup();
        let values = (0..unique.len()).flat_map(|k| parameters(prior.form, k)).collect();
        Prior { parameters: PriorParameters::Keyed { keys: unique, values }, ..prior }
    };
    priors(4).into_iter().map(keyed).collect()
}

/// One model and different molecules: a chain, a single bead, a pair, a chain without dihedrals and
/// repulsion, and six beads without priors.
pub(crate) fn mixture() -> (Model, Vec<Structure>) {
    let model = Model { schnet: Some(small_schnet()), priors: keyed_priors() };
    let with_lists = |n: usize, names: &[&str]| {
        let mut structure = chain(n, n as u64);
        let mut topology = (*structure.topology).clone();
        let others = topology.lists.iter_mut().filter(|list| !names.contains(&list.name.as_str()));
        others.for_each(|list| list.tuples.clear());
        structure.topology = Arc::new(topology);
        structure
    };
    let all = ["bonds", "angles", "dihedrals", "non_bonded"];
    let structures = vec![
        with_lists(17, &all),
        with_lists(1, &all),
        with_lists(2, &all),
        with_lists(33, &all[..2]),
        with_lists(6, &[]),
    ];
    (model, structures)
}
