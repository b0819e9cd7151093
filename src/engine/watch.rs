//! The limits of a replica, and how a replica exceeded one.

use crate::error::{Error, Result};
use crate::geometry::square;
use crate::model::PriorForm;
use crate::system::Molecule;

/// The limits of a replica. A replica that exceeds one freezes: its positions and velocities stay
/// as they are at that step. Every engine tests every step, so the step does not depend on when the
/// host reads.
///
/// Only a number that is not finite, or a coordinate beyond [`FARTHEST`](super::FARTHEST), exceeds an infinite limit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Watch {
    /// The largest force on a bead, kcal/mol/Å. The default is 1e5. Thermal forces of stiff bonds
    /// are below 1e3, and a force of 1e5 moves a bead of 12 amu by 28 Å in one step of 4 fs.
    pub max_force: f64,
    /// The largest kinetic energy of a bead, k_B T. The default is 1000. A thermostat gives it with
    /// a probability of e⁻¹⁰⁰⁰, and a start with close contacts releases less. The overdamped
    /// integrators have no kinetic energy.
    pub max_kinetic: f64,
    /// The largest length of a harmonic bond, in units of its rest length. The default is 3. Bonds
    /// with a rest length below [`LEAST_REST`] are springs without a limit, and bonds with a force
    /// constant of 0 are none.
    pub max_stretch: f64,
    /// The action of a [`Simulation`](crate::Simulation). Engines only freeze.
    pub on_blow_up: OnBlowUp,
}

/// The end of a run, or of a replica alone, if the replica blows up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OnBlowUp {
    /// The run ends with an error.
    #[default]
    Stop,
    /// The other replicas go on. The run ends with an error when all replicas are frozen.
    Freeze,
}

/// The shortest rest length of a bond that [`Watch::max_stretch`] limits, Å.
pub const LEAST_REST: f64 = 1.0;

/// The reason why a replica froze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reason {
    /// A bead did not move, because its next position or velocity was not finite, or its next
    /// position was beyond [`FARTHEST`](super::FARTHEST).
    Position,
    /// The force on a bead, or its energy, was not finite, or the force exceeded
    /// [`Watch::max_force`].
    Force,
    /// The kinetic energy of a bead was not finite or exceeded [`Watch::max_kinetic`].
    Kinetic,
    /// A bond exceeded [`Watch::max_stretch`].
    Stretch,
    /// A variable of [`Dynamics::metadynamics`](super::Dynamics::metadynamics) left the grid. The bead
    /// is 0.
    Grid,
}

impl Reason {
    /// The advice to a user whose replica froze for this reason.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Reason::Grid => "use a wider axis, or a restraint that keeps the replica on the grid",
            _ => "try a smaller time step or relax the start",
        }
    }
}

/// The step at which a replica froze, and the first reason in the order of beads, then of
/// [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Frozen {
    /// Steps done.
    pub step: u64,
    /// The bead within the replica: of a bond, the first one in its tuple.
    pub bead: u32,
    /// The limit that was exceeded.
    pub reason: Reason,
}

impl Frozen {
    /// The error of a replica with this number that is frozen.
    pub(crate) fn error(&self, replica: u32) -> Error {
        let Frozen { step, bead, reason } = *self;
        let of_bead = |limit| format!("at step {step} bead {bead} exceeds the limit {limit}");
        let what = match reason {
            Reason::Position => of_bead("of its position"),
            Reason::Force => of_bead("of the force on it"),
            Reason::Kinetic => of_bead("of its kinetic energy"),
            Reason::Stretch => of_bead("of the length of its bond"),
            Reason::Grid => format!("at step {step} a variable leaves the grid of metadynamics"),
        };
        Error::BlowUp { replica, step, what, last_good: None, advice: reason.advice() }
    }
}

impl Default for Watch {
    fn default() -> Self {
        let on_blow_up = OnBlowUp::default();
        Watch { max_force: 1e5, max_kinetic: 1e3, max_stretch: 3.0, on_blow_up }
    }
}

impl Watch {
    /// Infinite limits.
    pub const OFF: Watch = Watch {
        max_force: f64::INFINITY,
        max_kinetic: f64::INFINITY,
        max_stretch: f64::INFINITY,
        on_blow_up: OnBlowUp::Stop,
    };

    /// Checks the limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first limit that is not positive, or a stretch below 1.
    pub fn check(&self) -> Result<()> {
        for (field, limit) in [("max-force", self.max_force), ("max-kinetic", self.max_kinetic)] {
            if limit.is_nan() || limit <= 0.0 {
                return Err(Error::invalid(field, limit, "a limit > 0"));
            }
        }
        match self.max_stretch >= 1.0 {
            true => Ok(()),
            false => Err(Error::invalid("max-stretch", self.max_stretch, "a ratio of at least 1")),
        }
    }

    /// Whether a bead exceeds the limit of the force, or its energy is not finite.
    pub(super) fn exceeds_force(&self, force: [f64; 3], energy: f64) -> bool {
        let size2 = square(force);
        !(size2.is_finite() && energy.is_finite()) || size2 > self.max_force * self.max_force
    }

    /// Whether a bead exceeds the limit of the kinetic energy.
    pub(super) fn exceeds_kinetic(&self, velocity: [f64; 3], mass: f64, beta: f64) -> bool {
        let kinetic = 0.5 * mass * square(velocity) * beta;
        !kinetic.is_finite() || kinetic > self.max_kinetic
    }
}

/// The harmonic bonds of a molecule that have a limit: their beads and rest lengths.
pub(crate) fn bonds(molecule: &Molecule) -> impl Iterator<Item = ([usize; 2], f64)> {
    let harmonic = molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
    let all = harmonic.flat_map(|term| {
        let bond = |(t, [i, j, ..]): (usize, &[u32; 4])| {
            let parameters = term.parameters(t);
            ([*i as usize, *j as usize], parameters[0], parameters[1])
        };
        term.tuples.iter().enumerate().map(bond)
    });
    all.filter(|(_, k, rest)| *k > 0.0 && *rest >= LEAST_REST).map(|(beads, _, rest)| (beads, rest))
}
