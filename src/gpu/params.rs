//! Structs shared with WGSL, and nothing else. A test compares their layouts with the shaders'.

use bytemuck::{Pod, Zeroable};

/// `Params` of shaders/lib/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Params {
    /// Beads of all replicas.
    pub n_beads: u32,
    /// Replicas.
    pub n_replicas: u32,
    /// Edges each replica has room for.
    pub capacity: u32,
    /// Prior term to evaluate, [`ALL_TERMS`] or [`NO_TERM`].
    pub term: u32,
    /// 1 where forces start from the external ones.
    pub with_external: u32,
    /// Lower half of the seed.
    pub seed_low: u32,
    /// Upper half of the seed.
    pub seed_high: u32,
    /// 0 Langevin, 1 velocity Verlet, 2 Brownian motion.
    pub integrator: u32,
    /// ps.
    pub dt: f32,
    /// exp(−friction dt).
    pub keep: f32,
    /// √(1 − keep²).
    pub refresh: f32,
    /// 1/friction of Brownian motion.
    pub mobility: f32,
}

/// Every prior term.
pub const ALL_TERMS: u32 = u32::MAX;
/// No prior term.
pub const NO_TERM: u32 = u32::MAX - 1;

/// `Bead` of shaders/lib/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Bead {
    /// Its replica.
    pub replica: u32,
    /// The replica's first bead.
    pub first: u32,
    /// Its row in the tables of its molecule.
    pub row: u32,
    /// Its type.
    pub bead_type: u32,
}

/// `Tuple` of shaders/prior_bonded.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Tuple {
    /// Local bead numbers.
    pub beads: [u32; 4],
    /// 0 bond, 1 angle, 2 dihedral.
    pub form: u32,
    /// Which of the tuple's beads looks at it.
    pub slot: u32,
    /// Prior term.
    pub term: u32,
    /// Fourier terms.
    pub degree: u32,
    /// First of its parameters.
    pub values: u32,
    /// Structs of four words align to 16 bytes.
    pub padding: [u32; 3],
}

/// `PairRule` of shaders/prior_repulsion.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct PairRule {
    /// First record of the bead's class, or [`NO_RULE`].
    pub records: u32,
    /// Exceptions among the beads before it.
    pub mask_low: u32,
    /// Itself, and exceptions among the beads after it.
    pub mask_high: u32,
    /// Prior term.
    pub term: u32,
}

/// The molecule's non-bonded pairs are no rule.
pub const NO_RULE: u32 = u32::MAX;

/// The status of a replica, by the `STATUS_` words of shaders/lib/params.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
pub struct Status {
    /// 1 if the neighbor list is being rebuilt in this step.
    pub rebuild: u32,
    /// Edges in the list.
    pub edges: u32,
    /// Edges needed when they were more than the capacity, else 0.
    pub overflow: u32,
    /// Most neighbors of a bead within the cutoff, at any rebuild.
    pub crowded: u32,
    /// 1 + the step at which a coordinate was not finite, else 0.
    pub broken: u32,
    /// Rebuilds of the neighbor list.
    pub builds: u32,
    /// Unused.
    pub padding: [u32; 2],
}
