//! The options of `flashschnet analyze`.

use std::path::PathBuf;

use crate::variable::{CONTACT_BETA, CONTACT_CUTOFF, CONTACT_LAMBDA};
use crate::{Error, Result};
use clap::{Args, ValueEnum};

use crate::cli::options::{real, whole};

/// Analyze trajectories: radius of gyration, RMSD, native contacts, fluctuations, contact maps, free
/// energies, folding events, melting curves and TICA.
///
/// Reads the folders of runs, also of those that are going on, or trajectories of one molecule with
/// --topology. Writes tables as CSV and .npy, and plots into the report. All states of replica exchange
/// and of biases count, by MBAR. Errors are those of a jackknife over blocks. docs/analysis.md defines
/// every quantity and every file.
#[derive(Args)]
pub(in crate::cli) struct Analyze {
    /// Folders of runs, or XTC, DCD and .npy trajectories of one molecule
    #[arg(value_name = "INPUT", required = true)]
    pub(super) inputs: Vec<PathBuf>,
    /// Folder of the results [default: analysis in the folder of a single run]. Results of an earlier
    /// analysis are replaced
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// The molecule of trajectories: a PDB, mmCIF or structures file with the same beads
    #[arg(long, value_name = "FILE")]
    pub(super) topology: Option<PathBuf>,
    /// Temperature of trajectories, K. Without it free energies are in units of kT
    #[arg(long, value_parser = real, value_name = "K")]
    pub(super) temperature: Option<f64>,
    /// Time between the frames of trajectories, ps. It replaces the times that files tell
    #[arg(long, value_parser = real, value_name = "PS")]
    pub(super) interval: Option<f64>,
    /// Structure file with the reference of rmsd and q, also PDB or mmCIF [default: that of the run]
    #[arg(long, value_name = "FILE")]
    pub(super) reference: Option<PathBuf>,
    /// Native contacts are pairs of beads that are nearer than this in the reference, Å [default: that
    /// of the run, or 8]
    #[arg(long, value_parser = real, value_name = "R")]
    pub(super) q_cutoff: Option<f64>,
    /// Steepness of a native contact, 1/Å [default: that of the run, or 5]
    #[arg(long, value_parser = real, value_name = "BETA")]
    pub(super) q_beta: Option<f64>,
    /// Tolerance of a native contact [default: that of the run, or 1.2]
    #[arg(long, value_parser = real, value_name = "LAMBDA")]
    pub(super) q_lambda: Option<f64>,
    /// Leave out the frames of each trajectory before this time, ps
    #[arg(long, value_parser = real, default_value_t = 0.0, value_name = "PS")]
    pub(super) discard: f64,
    /// Take only every Nth frame
    #[arg(long, value_parser = whole::<u64, 1>, default_value_t = 1, value_name = "N")]
    pub(super) stride: u64,
    /// Beads of rg, rmsd and rmsf: all, ca, or numbers from 0 and ranges, as in 0-9,15
    #[arg(long, default_value = "all", value_name = "all|ca|LIST")]
    pub(super) beads: String,
    /// Beads nearer than this are in contact in the contact map, Å
    #[arg(long, value_parser = real, default_value_t = 8.0, value_name = "R")]
    pub(super) contact_cutoff: f64,
    /// Free energy along one quantity or two, as rmsd or rmsd,q; can be repeated [default: along each
    /// quantity, and along (rmsd,q) or (rg,end-to-end), and (tic_1,tic_2)]
    #[arg(long, value_name = "X[,Y]")]
    pub(super) free_energy: Vec<String>,
    /// Bins of a free energy along one quantity. Along two there are half as many for each
    #[arg(long, value_parser = whole::<usize, 1>, default_value_t = 50, value_name = "N")]
    pub(super) bins: usize,
    /// Blocks of samples for errors
    #[arg(long, value_parser = whole::<usize, 2>, default_value_t = 20, value_name = "N")]
    pub(super) blocks: usize,
    /// Quantity that tells folded from unfolded
    #[arg(long, value_enum, default_value_t = Core::Q, value_name = "QUANTITY")]
    pub(super) core: Core,
    /// End of the folded core: q at least, rmsd at most [default: 0.8; 3 Å for rmsd]
    #[arg(long, value_parser = real, value_name = "X")]
    pub(super) folded: Option<f64>,
    /// End of the unfolded core: q at most, rmsd at least [default: 0.3; 8 Å for rmsd]
    #[arg(long, value_parser = real, value_name = "X")]
    pub(super) unfolded: Option<f64>,
    /// Lag time of TICA, ps [default: a tenth of the correlation time of q or rg]
    #[arg(long, value_parser = real, value_name = "PS")]
    pub(super) lag: Option<f64>,
    /// Threads [default: one for each processor]. At most 16, or four for each processor
    #[arg(long, value_parser = whole::<usize, 1>, value_name = "N")]
    pub(super) threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Core {
    /// Fraction of native contacts
    Q,
    /// RMSD from the reference, Å
    Rmsd,
}

/// The most bins along one quantity.
const MOST_BINS: usize = 1000;

/// The options with the constants of native contacts, and their usual values.
pub(super) const CONTACTS: [&str; 3] = ["q-cutoff", "q-beta", "q-lambda"];
pub(super) const USUAL_CONTACTS: [f64; 3] = [CONTACT_CUTOFF, CONTACT_BETA, CONTACT_LAMBDA];

/// The most threads for each processor, and the most threads of small machines.
const THREADS_EACH: usize = 4;
const LEAST_MOST_THREADS: usize = 16;

/// The most blocks.
const MOST_BLOCKS: usize = 200;

impl Analyze {
    /// Refuses numbers that are out of range.
    pub(super) fn check(&self) -> Result<()> {
        let numbers = [
            ("temperature", self.temperature, 0.0),
            ("interval", self.interval, 0.0),
            ("contact-cutoff", Some(self.contact_cutoff), 0.0),
            ("lag", self.lag, 0.0),
        ];
        for (name, number, least) in numbers {
            if let Some(wrong) = number.filter(|x| !(*x > least && x.is_finite())) {
                return Err(Error::invalid(name, wrong, "a finite number > 0"));
            }
        }
        if !(self.discard >= 0.0 && self.discard.is_finite()) {
            return Err(Error::invalid("discard", self.discard, "a time of at least 0 ps"));
        }
        for (name, number) in [("stride", self.stride), ("bins", self.bins as u64)] {
            if number == 0 {
                return Err(Error::invalid(name, number, "at least 1"));
            }
        }
        if self.bins > MOST_BINS {
            return Err(Error::invalid("bins", self.bins, format!("at most {MOST_BINS}")));
        }
        if !(2..=MOST_BLOCKS).contains(&self.blocks) {
            return Err(Error::invalid("blocks", self.blocks, format!("2 to {MOST_BLOCKS}")));
        }
        // The results of a few chunks of each thread are in memory.
        let most = std::thread::available_parallelism().map_or(1, |n| n.get());
        let most = (THREADS_EACH * most).max(LEAST_MOST_THREADS);
        match self.threads.filter(|n| !(1..=most).contains(n)) {
            Some(n) => Err(Error::invalid("threads", n, format!("1 to {most}"))),
            None => Ok(()),
        }
    }

    /// The constants of native contacts that are given.
    pub(super) fn contacts(&self) -> [Option<f64>; 3] {
        [self.q_cutoff, self.q_beta, self.q_lambda]
    }

    /// The folder of the results.
    pub(in crate::cli) fn place(&self) -> Result<PathBuf> {
        match (&self.output, &self.inputs[..]) {
            (Some(output), _) => Ok(output.clone()),
            (None, [run]) if run.is_dir() => Ok(run.join("analysis")),
            (None, _) => {
                let expected = "a folder for the results, because the input is not a single run";
                Err(Error::invalid("output", "none", expected))
            }
        }
    }
}
