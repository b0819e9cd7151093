//! The systems of the known answers: a folded chain with every prior, a loose cloud of beads, and a
//! small network.

use std::sync::Arc;

use crate::engine::State;
use crate::error::Result;
use crate::model::prior::TypeKey;
use crate::model::{
    Activation, Cutoff, Interaction, Linear, Model, Prior, PriorForm, PriorParameters, RadialBasis,
    RadialFunctions, SchNet,
};
use crate::random::Draw;
use crate::structure::{Structure, Topology, TupleList};
use crate::system::System;
use crate::units::AMU;

/// Beads of the chain. Some invocations of a workgroup get one bead more than others.
pub(super) const CHAIN: usize = 67;
/// Beads of the cloud for neighbor lists: more than the 1,024 of a tile.
pub(super) const CLOUD: usize = 1100;
/// Beads of the cloud that moves: more than the invocations of a workgroup.
pub(super) const SMALL_CLOUD: usize = 300;
/// Replicas of the chain without a network, and before the cloud with one.
const CHAINS: usize = 4;
pub(super) const CHAINS_WITH_NETWORK: usize = 2;

const N_TYPES: u32 = 5;
/// Channels and radial functions. None is a multiple of 16; more than 32 filters have products in
/// f16, and the kernels take more than one channel in an invocation.
const HIDDEN: usize = 40;
const FILTERS: usize = 36;
const FUNCTIONS: usize = 20;
const INNER: usize = 24;
const BLOCKS: usize = 3;
/// Å.
const CUTOFF: f64 = 7.5;
/// Å.
const STANDS_OUT: f64 = 1.25;
/// The model's limit, which the middle of the cloud does not quite reach.
const MOST_NEIGHBORS: u32 = 75;

const SEED: u64 = 20_261_129;

const FORMS: [(&str, PriorForm); 13] = [
    ("bonds", PriorForm::HarmonicBond),
    ("angles", PriorForm::HarmonicAngle),
    ("dihedrals", PriorForm::Dihedral { degree: 3 }),
    ("raw_angles", PriorForm::HarmonicAngleRaw),
    ("quartic_angles", PriorForm::QuarticAngle),
    ("quartic_raw_angles", PriorForm::QuarticAngleRaw),
    ("restricted_quartic", PriorForm::RestrictedQuartic),
    ("impropers", PriorForm::HarmonicImproper),
    ("shifted_impropers", PriorForm::ShiftedHarmonicImproper),
    ("repulsion", PriorForm::Repulsion),
    ("cutoff_repulsion", PriorForm::CutoffRepulsion),
    ("exp_repulsion", PriorForm::ExpRepulsion),
    ("cutoff_exp_repulsion", PriorForm::CutoffExpRepulsion),
];

/// Parameters of a form, which differ a little from key to key.
fn parameters(form: PriorForm, few: f64) -> Vec<f64> {
    match form {
        PriorForm::HarmonicBond => vec![20.0 + few, 4.0, 0.25],
        PriorForm::HarmonicAngle => vec![4.0 + few, -0.125, 0.5],
        PriorForm::HarmonicAngleRaw => vec![3.0 + few, 1.75, 0.5],
        PriorForm::QuarticAngle => vec![0.25, 1.0 + few, -0.5, 0.75, 1.5],
        PriorForm::QuarticAngleRaw => vec![0.25, -0.5, 0.25 + few, 0.125, 0.0625],
        PriorForm::RestrictedQuartic => vec![0.25, 0.5 + few, -0.5, 0.75, 0.25, 0.125],
        PriorForm::Dihedral { .. } => vec![0.5, 1.0 + few, -0.5, 0.25, -0.75, 0.5, 1.25],
        PriorForm::HarmonicImproper => vec![1.5 + few, 0.5, -0.25],
        PriorForm::ShiftedHarmonicImproper => vec![1.25 + few, -0.5, 0.125],
        PriorForm::Repulsion => vec![2.5 + few],
        PriorForm::CutoffRepulsion => vec![3.0 + few, 6.5],
        PriorForm::ExpRepulsion => vec![8.0 + few, 3.25],
        PriorForm::CutoffExpRepulsion => vec![6.0 + few, 3.5, 7.0],
    }
}

/// The keys of bead types. Types follow each other along the chain, so those of bonded terms are
/// neighbors in the cycle of types; pairs may have any two.
fn keys(form: PriorForm) -> Vec<TypeKey> {
    if form.is_repulsion() {
        return (0..N_TYPES).flat_map(|i| (0..N_TYPES).map(move |j| [i, j, 0, 0])).collect();
    }
    (0..N_TYPES).map(|first| tuple(form, |k| (first + k) % N_TYPES)).collect()
}

/// As many entries as the form has beads, and 0 behind them.
fn tuple(form: PriorForm, entry: impl Fn(u32) -> u32) -> [u32; 4] {
    std::array::from_fn(|k| if k < form.order() { entry(k as u32) } else { 0 })
}

fn prior((name, form): (&str, PriorForm)) -> Prior {
    let keys = keys(form);
    // The parameters of a pair do not depend on the order of its beads.
    let few = |key: &TypeKey| 0.0625 * f64::from((key[0] + key[1]) % N_TYPES);
    let values = keys.iter().flat_map(|key| parameters(form, few(key))).collect();
    let parameters = PriorParameters::Keyed { keys, values };
    Prior { name: name.into(), form, parameters }
}

/// The index lists of a chain of `n` beads. Repulsion has nearly all pairs, which makes it a rule;
/// of the other pairs only some are listed.
fn lists(n: u32) -> Vec<TupleList> {
    let of_form = |(name, form): (&str, PriorForm)| {
        let pairs = |every: u32| {
            let of_bead = move |i| (i + 4..n).filter(move |j| (i + j) % every == 0);
            (0..n).flat_map(|i| of_bead(i).map(move |j| [i, j, 0, 0])).collect()
        };
        let tuples = match form {
            PriorForm::Repulsion => pairs(1),
            form if form.is_repulsion() => pairs(3),
            form => (0..(n + 1).saturating_sub(form.order() as u32))
                .map(|first| tuple(form, |k| first + k))
                .collect(),
        };
        TupleList { name: name.into(), order: form.order(), tuples }
    };
    FORMS.into_iter().map(of_form).collect()
}

fn topology(n_beads: usize, lists: Vec<TupleList>) -> Arc<Topology> {
    let mass = |i: u32| (12.0 + f64::from(i % 7)) * AMU;
    let types = (0..n_beads as u32).map(|i| i % N_TYPES).collect();
    Arc::new(Topology { types, masses: (0..n_beads as u32).map(mass).collect(), lists })
}

/// The beads of a chain that runs to and fro through a box of `nx` × `ny` columns, `spacing` Å
/// apart, each moved by up to `jitter` Å. Every second bead stands out, so that no three beads in a
/// row are on a line.
fn folded(draw: &mut Draw, n: usize, [nx, ny]: [usize; 2], spacing: f64, jitter: f64) -> Positions {
    let turned = |k: usize, n: usize, turn: usize| if turn % 2 == 1 { n - 1 - k } else { k };
    let moves = draw.uniform(3 * n, jitter);
    let place = |k: usize| {
        let (x, y, z) = (k % nx, k / nx % ny, k / (nx * ny));
        let place = [turned(x, nx, y + ny * z), turned(y, ny, z), z];
        let out = [0.0, 0.0, if k % 2 == 1 { STANDS_OUT } else { 0.0 }];
        std::array::from_fn(|c| {
            f64::from((spacing * place[c] as f64 + out[c] + moves[3 * k + c]) as f32)
        })
    };
    (0..n).map(place).collect()
}

/// Moves the first beads of the cloud away from the others: to the middle of a ball, and to places
/// around it. The row of the first one then has 74 edges, several for each group of invocations
/// that shares it.
fn crowd(positions: &mut Positions) {
    const SPACING: f64 = 3.0;
    let far = [-40.0; 3];
    let steps = -2..=2_i32;
    let lattice = steps.clone().flat_map(|x| steps.clone().map(move |y| [x, y]));
    let lattice = lattice.flat_map(|[x, y]| steps.clone().map(move |z| [x, y, z]));
    let around = lattice.filter(|at| (2..=6).contains(&at.map(|x| x * x).iter().sum::<i32>()));
    for (position, at) in positions.iter_mut().zip([[0; 3]].into_iter().chain(around)) {
        *position = std::array::from_fn(|c| far[c] + SPACING * f64::from(at[c]));
    }
}

type Positions = Vec<[f64; 3]>;

fn linear(draw: &mut Draw, n_in: usize, n_out: usize, bias: bool) -> Linear {
    let weight = draw.uniform(n_in * n_out, (3.0 / n_in as f64).sqrt());
    Linear { n_in, n_out, weight, bias: bias.then(|| draw.uniform(n_out, 0.25)) }
}

fn network(draw: &mut Draw) -> SchNet {
    let block = |draw: &mut Draw| Interaction {
        filter0: linear(draw, FUNCTIONS, FILTERS, true),
        filter1: linear(draw, FILTERS, FILTERS, false),
        lin1: linear(draw, HIDDEN, FILTERS, false),
        lin2: linear(draw, FILTERS, HIDDEN, true),
        lin: linear(draw, HIDDEN, HIDDEN, true),
    };
    let cutoff = Cutoff::Cosine { lower: 0.0, upper: CUTOFF };
    let spacing = 1.0 / FUNCTIONS as f64;
    let functions = RadialFunctions::ExpNormal {
        alpha: 0.5,
        lower: 0.0,
        means: (0..FUNCTIONS).map(|k| f64::from((spacing * k as f64) as f32)).collect(),
        betas: vec![100.0; FUNCTIONS],
    };
    let mut readout = vec![linear(draw, HIDDEN, INNER, true), linear(draw, INNER, 1, false)];
    // Forces like those of the priors.
    readout[1].weight.iter_mut().for_each(|weight| *weight *= 32.0);
    SchNet {
        n_types: N_TYPES as usize,
        n_hidden: HIDDEN,
        embedding: draw.uniform(N_TYPES as usize * HIDDEN, 1.75),
        radial_basis: RadialBasis { functions, cutoff },
        cutoff,
        activation: Activation::Tanh,
        interactions: (0..BLOCKS).map(|_| block(draw)).collect(),
        readout,
        max_num_neighbors: Some(MOST_NEIGHBORS),
        neighbor_embedding: None,
        constants: None,
    }
}

/// Chains and, with a network, a cloud of so many beads; and a state of thermal beads that are fast enough
/// for new neighbor lists after a few steps.
pub(super) fn system(cloud: Option<usize>) -> Result<(System, State)> {
    let with_network = cloud.is_some();
    let mut draw = Draw::new(SEED);
    let model = Model {
        schnet: with_network.then(|| network(&mut draw)),
        priors: FORMS.into_iter().map(prior).collect(),
    };
    let chain = topology(CHAIN, lists(CHAIN as u32));
    let mut structures = Vec::new();
    for _ in 0..if with_network { CHAINS_WITH_NETWORK } else { CHAINS } {
        let mut positions = folded(&mut draw, CHAIN, [4, 5], 3.75, 0.25);
        // The first chain crosses the distance at which a replica gets a new origin.
        let shift = if structures.is_empty() { 63.984375 - positions[0][0] } else { 0.0 };
        positions.iter_mut().for_each(|x| x[0] = f64::from((x[0] + shift) as f32));
        let topology = Arc::clone(&chain);
        structures.push(Structure { topology, positions, velocities: None });
    }
    if let Some(n) = cloud {
        let mut positions = folded(&mut draw, n, [11, 10], 7.0, 1.25);
        crowd(&mut positions);
        let topology = topology(n, lists(0));
        structures.push(Structure { topology, positions, velocities: None });
    }
    let system = System::new(&model, &structures)?;
    let positions: Vec<_> = structures.into_iter().flat_map(|of| of.positions).collect();
    let speeds = draw.uniform(3 * positions.len(), 40.0);
    let mut velocities: Vec<[f64; 3]> =
        speeds.chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect();
    velocities[0][0] = 40.0;
    let beta =
        (0..system.n_replicas()).map(|r| f64::from(1.0 / (0.5 + 0.125 * r as f32))).collect();
    let state = State { velocities, beta, ..State::at_rest(&system, positions) };
    Ok((system, state))
}
