//! Structs and numbers that host and shaders share. A test compares them with their definitions in
//! the shaders.

use bytemuck::{Pod, Zeroable};

use crate::engine::{Frozen, Reason};

/// `Params` of shaders/lib/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Params {
    /// Number of beads of all replicas.
    pub n_beads: u32,
    /// Number of replicas.
    pub n_replicas: u32,
    /// The edges that each replica has room for.
    pub capacity: u32,
    /// The prior term to evaluate, or [`ALL_TERMS`].
    pub term: u32,
    /// The classes of forces whose energies are summed: [`FAST`], [`SLOW`] or both.
    pub classes: u32,
    /// Lower half of the seed.
    pub seed_low: u32,
    /// Upper half of the seed.
    pub seed_high: u32,
    /// One of [`integrator`].
    pub integrator: u32,
    /// Time step, ps.
    pub dt: f32,
    /// exp(−friction dt) of Langevin dynamics.
    pub keep: f32,
    /// √(1 − keep²).
    pub refresh: f32,
    /// dt/friction of overdamped dynamics, mol Å²/kcal.
    pub mobility: f32,
    /// The square of [`crate::engine::Watch::max_force`], (kcal/mol/Å)².
    pub max_force2: f32,
    /// [`crate::engine::Watch::max_kinetic`], k_B T.
    pub max_kinetic: f32,
    /// [`crate::engine::Watch::max_stretch`].
    pub max_stretch: f32,
    /// The bits of an edge with the number of the sender in its replica.
    pub bead_bits: u32,
    /// Units of t, the distance from the middle of an interval of the filter tables, in 1 Å.
    pub t_per_angstrom: f32,
    /// The unit of third and fourth coefficients of filter tables in f32.
    pub higher: f32,
    /// The factor of the gradients of the network, a power of two that keeps them in the range of
    /// f16.
    pub gradient_scale: f32,
    /// Converts a sum of gradient times slope with respect to t to kcal/mol/Å.
    pub gradient_unit: f32,
    /// The square of the radius of neighbor lists, Å².
    pub list2: f32,
    /// Beads are neighbors in the network below this distance, Å.
    pub radius: f32,
    /// [`crate::model::SchNet::max_num_neighbors`].
    pub max_neighbors: u32,
    /// Number of ladders of replica exchange.
    pub n_ladders: u32,
}

/// [`Params::term`] for all prior terms.
pub const ALL_TERMS: u32 = u32::MAX;
/// The class of the forces of priors.
pub const FAST: u32 = 1;
/// The class of the forces of the network.
pub const SLOW: u32 = 2;
/// Integrators of shaders/lib/params.wgsl.
pub mod integrator {
    /// Langevin dynamics.
    pub const LANGEVIN: u32 = 0;
    /// Velocity Verlet.
    pub const NVE: u32 = 1;
    /// Overdamped dynamics.
    pub const OVERDAMPED: u32 = 2;
    /// Overdamped dynamics by the rule of the published tool chain.
    pub const OVERDAMPED_PUBLISHED: u32 = 3;
}

/// Activations of shaders/lib/activation.wgsl.
pub mod activation {
    /// tanh x.
    pub const TANH: u32 = 0;
    /// x/(1 + e⁻ˣ).
    pub const SILU: u32 = 1;
    /// ln(1 + eˣ) less a shift.
    pub const SHIFTED_SOFTPLUS: u32 = 2;
    /// 1/(1 + e⁻ˣ).
    pub const SIGMOID: u32 = 3;
    /// x tanh(ln(1 + eˣ)).
    pub const MISH: u32 = 4;
    /// x.
    pub const IDENTITY: u32 = 5;
}

/// Forms of shaders/prior_bonded.wgsl, one for each [`crate::model::PriorForm`] but the repulsions.
/// Angles must come before dihedrals, because the kernel compares the numbers.
#[allow(missing_docs, reason = "the names are those of the forms")]
pub mod form {
    pub const BOND: u32 = 0;
    pub const ANGLE: u32 = 1;
    pub const ANGLE_RAW: u32 = 2;
    pub const QUARTIC: u32 = 3;
    pub const QUARTIC_RAW: u32 = 4;
    pub const RESTRICTED: u32 = 5;
    pub const DIHEDRAL: u32 = 6;
    pub const IMPROPER: u32 = 7;
    pub const IMPROPER_SHIFTED: u32 = 8;
}

/// Positions are multiples of 1/GRID Å.
pub const GRID: f64 = 4_294_967_296.0;

/// `Position` of shaders/lib/separation.wgsl, counted from the replica's origin: the sum of two
/// f32.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
pub struct Position {
    /// xyz: the f32 nearest to the position, Å. w: the class of the bead for the [`PairRule`]s of
    /// its molecule.
    pub high: [f32; 4],
    /// xyz: the rest of the position, Å. w: 0, or 1 within a step for a bead that did not move.
    pub low: [f32; 4],
}

impl Position {
    /// The position in f64, Å from the origin of its replica.
    pub fn in_f64(&self) -> [f64; 3] {
        std::array::from_fn(|c| f64::from(self.high[c]) + f64::from(self.low[c]))
    }

    /// a − b, Å, as `separation` of shaders/lib/separation.wgsl.
    pub fn separation(&self, b: &Self) -> [f32; 3] {
        std::array::from_fn(|c| (self.high[c] - b.high[c]) + (self.low[c] - b.low[c]))
    }
}

/// `Bead` of shaders/lib/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Bead {
    /// The number of its replica in the system.
    pub replica: u32,
    /// The first bead of its replica.
    pub first: u32,
    /// Its row in the lists of prior terms of its molecule.
    pub row: u32,
    /// Its type.
    pub bead_type: u32,
}

/// `Tuple` of shaders/prior_bonded.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Tuple {
    /// Numbers of the beads within the replica.
    pub beads: [u32; 4],
    /// One of [`form`].
    pub form: u32,
    /// The place in the tuple of the bead whose list this entry is in.
    pub slot: u32,
    /// Prior term.
    pub term: u32,
    /// The number of Fourier terms.
    pub degree: u32,
    /// The place of its first parameter in `values`.
    pub values: u32,
    /// A struct with a vector of four words has a size in whole 16 bytes.
    pub padding: [u32; 3],
}

/// `Walker` of shaders/lib/walker.wgsl: the state of a replica beside its beads.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Walker {
    /// Å.
    pub origin: [f32; 3],
    /// k_B T, kcal/mol.
    pub kt: f32,
    /// 8 bead + [`Reason`] of the lowest bead that exceeded a limit, or [`NO_ALARM`].
    pub alarm: u32,
    /// The number of steps done when the replica froze, plus 1, low word; 0 before the next step
    /// has begun.
    pub frozen_low: u32,
    /// High word.
    pub frozen_high: u32,
    /// A struct with a vector of three words has a size in whole 16 bytes.
    pub padding: u32,
}

/// [`Walker::alarm`] of a replica that moves.
pub const NO_ALARM: u32 = u32::MAX;

/// The reasons of an alarm in the order of their numbers on a device.
pub const REASONS: [Reason; 5] =
    [Reason::Position, Reason::Force, Reason::Kinetic, Reason::Stretch, Reason::Grid];

impl Walker {
    /// A replica that moves, or is frozen.
    pub fn new(origin: [f64; 3], kt: f32, frozen: Option<&Frozen>) -> Self {
        let [frozen_low, frozen_high] = words(frozen.map_or(0, |frozen| frozen.step + 1));
        let alarm = frozen.map_or(NO_ALARM, |frozen| 8 * frozen.bead + frozen.reason as u32);
        let origin = origin.map(|x| x as f32);
        Walker { origin, kt, alarm, frozen_low, frozen_high, padding: 0 }
    }

    /// When and why the replica froze, if it is frozen. `step` is the number of steps done.
    pub fn frozen(&self, step: u64) -> Option<Frozen> {
        let (bead, reason) = (self.alarm / 8, REASONS[self.alarm as usize % 8 % REASONS.len()]);
        let at = wide([self.frozen_low, self.frozen_high]);
        let step = if at == 0 { step } else { at - 1 };
        (self.alarm != NO_ALARM).then_some(Frozen { step, bead, reason })
    }
}

/// `Rung` of shaders/exchange.wgsl: a state of a ladder.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Rung {
    /// β/ln 2 in multiples of 2⁻⁴⁶ mol/kcal, low word.
    pub beta_low: u32,
    /// High word.
    pub beta_high: u32,
    /// k_B T, kcal/mol.
    pub kt: f32,
    /// The replica that starts in this state.
    pub walker: u32,
}

impl Rung {
    /// A state with this inverse temperature.
    pub fn new(beta: f64, walker: u32) -> Self {
        let fixed = (beta / std::f64::consts::LN_2 * 2f64.powi(46)).round() as u64;
        let [beta_low, beta_high] = words(fixed);
        Rung { beta_low, beta_high, kt: (1.0 / beta) as f32, walker }
    }
}

/// `PairRule` of shaders/prior_repulsion.wgsl: a bead interacts with all beads of its replica but a
/// few exceptions, which are near it in number.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct PairRule {
    /// The first record of the bead's class, or [`NO_RULE`].
    pub records: u32,
    /// Bits of the exceptions among the 32 beads before the bead.
    pub mask_low: u32,
    /// Bits of the bead itself and of the exceptions among the 31 beads after it.
    pub mask_high: u32,
    /// Prior term.
    pub term: u32,
}

/// A pair of shaders/prior_repulsion.wgsl has this many bits for the partner's number within the
/// replica. The bits above hold the prior term.
pub const BEAD_BITS: u32 = 24;

/// The cutoff of a pair without a cutoff, Å.
pub const NEVER: f64 = 1e30;

/// [`PairRule::records`] for a molecule whose non-bonded pairs follow no rule.
pub const NO_RULE: u32 = u32::MAX;

/// The status of a replica: the `STATUS_` words of shaders/lib/params.wgsl, in order.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
pub struct Status {
    /// 1 if the neighbor list is rebuilt in this step.
    pub rebuild: u32,
    /// Edges in the list when it was last built.
    pub edges: u32,
    /// The edges that a list needed if it did not fit into the capacity, else 0.
    pub overflow: u32,
    /// The lowest bead with too many neighbors, and their excess: see [`Status::crowd`].
    pub crowded: u32,
    /// Number of rebuilds of the neighbor list, low and high word.
    pub builds: [u32; 2],
}

impl Status {
    /// The number within the replica of the lowest bead with too many neighbors, and their excess
    /// over the limit, at most 255. `None` if no bead exceeds the limit.
    pub fn crowd(&self) -> Option<(u32, u32)> {
        let (bead, excess) = (0xff_ffff - (self.crowded >> 8), self.crowded & 0xff);
        (excess > 0).then_some((bead, excess))
    }

    /// Number of rebuilds of the neighbor list.
    pub fn n_builds(&self) -> u64 {
        wide(self.builds)
    }
}

/// `Descent` of shaders/lib/descent.wgsl: the minimization of a replica between two steps.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Descent {
    /// One of [`descent`].
    pub status: u32,
    /// The steps that it may still do.
    pub steps_left: u32,
    /// Steps downhill since the last one uphill.
    pub good: u32,
    /// The bead whose force is not finite, if the status is [`descent::BROKEN`].
    pub bead: u32,
    /// Time step, for masses of 1.
    pub step: f32,
    /// The mixing of velocity and force.
    pub mixing: f32,
    /// The square of the tolerance, (kcal/mol/Å)².
    pub tolerance2: f32,
    /// The square of the largest force on a bead, (kcal/mol/Å)².
    pub largest2: f32,
}

/// [`Descent::status`] of shaders/lib/descent.wgsl.
pub mod descent {
    /// The minimization goes on.
    pub const RUNNING: u32 = 0;
    /// The largest force is within the tolerance.
    pub const CONVERGED: u32 = 1;
    /// No step is left.
    pub const EXHAUSTED: u32 = 2;
    /// A force is not finite.
    pub const BROKEN: u32 = 3;
    /// The replica was frozen before.
    pub const FROZEN: u32 = 4;
}

/// `GridAxis` of shaders/lib/grid_potential.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GridAxis {
    /// The least value.
    pub lower: f32,
    /// The largest value.
    pub upper: f32,
    /// Bins per unit of the variable.
    pub per_unit: f32,
    /// The bin in units of the width of a hill.
    pub sharpness: f32,
    /// The number of bins.
    pub bins: u32,
    /// The number of nodes.
    pub nodes: u32,
    /// 1 for a periodic axis.
    pub periodic: u32,
}

/// `GridPotential` of shaders/lib/grid_potential.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GridPotential {
    /// The axis of the first variable.
    pub x: GridAxis,
    /// The axis of the second variable, or one node at 0.
    pub y: GridAxis,
    /// The first node.
    pub first: u32,
    /// The height of a hill where the potential is 0, kcal/mol.
    pub height: f32,
    /// 1/(k_B ΔT), mol/kcal.
    pub rate: f32,
}

/// `GridNode` of shaders/lib/grid_potential.wgsl: the sum of two f32, both multiples of 1/[`GRID`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GridNode {
    /// The f32 nearest to the numbers of the node, kcal/mol.
    pub high: [f32; 4],
    /// The rest.
    pub low: [f32; 4],
}

impl GridNode {
    /// The numbers, rounded to multiples of 1/[`GRID`].
    pub fn new(numbers: [f64; 4]) -> Self {
        let numbers = numbers.map(|x| (x * GRID).round() / GRID);
        let high = numbers.map(|x| x as f32);
        GridNode { high, low: std::array::from_fn(|k| (numbers[k] - f64::from(high[k])) as f32) }
    }

    /// The numbers, exact.
    pub fn in_f64(&self) -> [f64; 4] {
        std::array::from_fn(|k| f64::from(self.high[k]) + f64::from(self.low[k]))
    }
}

/// The two words of a 64-bit count, the low word first.
pub fn words(count: u64) -> [u32; 2] {
    [count as u32, (count >> 32) as u32]
}

/// The 64-bit count of two words, the low word first.
pub fn wide([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
