//! The files of a run on the command line.

use crate::output::{Format, OutputOptions, TrajectoriesBy};
use clap::{Args, ValueEnum};

#[derive(Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FileOptions {
    /// Format of the trajectories
    #[arg(long, value_enum, default_value_t = FormatName::Xtc, value_name = "NAME")]
    format: FormatName,
    /// Also write arrays in mlcg's layout: run_coords_0000.npy (replicas, frames, beads, 3) and
    /// energies
    ///
    /// A file holds 100 frames, or as many as fit into 64 MiB of coordinates. The last file of a
    /// run can hold fewer. The name of an unfinished file ends with .partial. Only a run that is
    /// killed leaves one, and its frames do not count.
    #[arg(long)]
    npy: bool,
    /// Write velocities in mlcg's layout, Å/ps: run_velocities_0000.npy (replicas, frames, beads, 3)
    #[arg(long)]
    velocities: bool,
    /// Write forces in mlcg's layout, kcal/mol/Å: run_forces_0000.npy (replicas, frames, beads, 3)
    #[arg(long)]
    forces: bool,
    /// Write the energy of each term: as columns of energies.csv and, with --npy,
    /// run_energy_components_0000.npy (replicas, frames, terms)
    ///
    /// Each frame then needs an evaluation of every term, and the device waits for it. Choose a save
    /// interval of many steps.
    #[arg(long)]
    terms: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// GROMACS' XTC: compressed, positions rounded to 0.01 Å
    Xtc,
    /// CHARMM's DCD: positions in single precision
    Dcd,
    /// Both
    Both,
}

impl FileOptions {
    pub(super) fn options(&self, trajectories: TrajectoriesBy) -> OutputOptions {
        let format = match self.format {
            FormatName::Xtc => Format::Xtc,
            FormatName::Dcd => Format::Dcd,
            FormatName::Both => Format::Both,
        };
        let FileOptions { npy, velocities, forces, terms, .. } = *self;
        OutputOptions { trajectories, format, npy, velocities, forces, terms }
    }
}
