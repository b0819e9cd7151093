//! The choice of the files of a run.

use serde::{Deserialize, Serialize};

use crate::simulation::Wants;

/// The trajectories to write, and the files in addition to trajectories, energies and the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputOptions {
    /// The trajectories to write.
    pub trajectories: TrajectoriesBy,
    /// The format of the trajectories.
    pub format: Format,
    /// Write positions and energies as arrays in mlcg's layout too.
    pub npy: bool,
    /// Write velocities as arrays in mlcg's layout.
    pub velocities: bool,
    /// Write forces as arrays in mlcg's layout. They do not contain external forces.
    pub forces: bool,
    /// Write the energy of each term, as columns of `energies.csv` and, with `npy`, as an array.
    pub terms: bool,
}

impl OutputOptions {
    /// The parts of a frame that the files need.
    pub fn wants(&self) -> Wants {
        Wants { forces: self.forces, terms: self.terms }
    }
}

/// The trajectories to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrajectoriesBy {
    /// One of each replica, which moves between the states of its ladder.
    #[default]
    Walker,
    /// One of each state of a ladder, whose frames come from the replicas in that state. With
    /// replica exchange only.
    State,
    /// Both.
    Both,
}

/// The format of the trajectories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// GROMACS' XTC: compressed, positions rounded to 0.01 Å.
    #[default]
    Xtc,
    /// DCD in the flavor of CHARMM: positions in f32. The step of frame k is that of the first frame
    /// plus k times the steps between the first two frames, so a last frame after a shorter interval
    /// seems to be later than it is.
    Dcd,
    /// A file in each format.
    Both,
}
