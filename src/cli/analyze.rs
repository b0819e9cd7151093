//! `flashschnet analyze`: quantities, free energies and kinetics of trajectories.

mod columns;
mod ensemble;
mod estimates;
mod kinetics;
mod molecule;
mod place;
mod rows;
mod run_folder;
mod series;
mod source;
mod summary;
mod table;
mod tica;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use flashschnet::error::printable;
use flashschnet::{Error, Result};

use self::columns::Columns;
use self::ensemble::Ensemble;
use self::place::Place;
use self::source::Source;
use super::options::{real, whole};
use super::report;
use super::tell::tell;

/// Analyze trajectories: radius of gyration, RMSD, native contacts, fluctuations, contact maps, free
/// energies, folding events, melting curves and TICA.
///
/// Reads the folders of runs, also of those that are going on, or trajectories of one molecule with
/// --topology. Writes tables as CSV and .npy, and plots into the report. All states of replica exchange
/// and of biases count, by MBAR. Errors are those of a jackknife over blocks. docs/analysis.md defines
/// every quantity and every file.
#[derive(Args)]
pub(super) struct Analyze {
    /// Folders of runs, or XTC, DCD and .npy trajectories of one molecule
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// Folder of the results [default: analysis in the folder of a single run]. Results of an earlier
    /// analysis are replaced
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The molecule of trajectories: a PDB, mmCIF or structures file with the same beads
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Temperature of trajectories, K. Without it free energies are in units of kT
    #[arg(long, value_parser = real, value_name = "K")]
    temperature: Option<f64>,
    /// Time between the frames of trajectories, ps, if the files do not tell it
    #[arg(long, value_parser = real, value_name = "PS")]
    interval: Option<f64>,
    /// Structure file with the reference of rmsd and q, also PDB or mmCIF [default: that of the run]
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Native contacts are pairs of beads that are nearer than this in the reference, Å [default: that
    /// of the run, or 8]
    #[arg(long, value_parser = real, value_name = "R")]
    q_cutoff: Option<f64>,
    /// Steepness of a native contact, 1/Å [default: that of the run, or 5]
    #[arg(long, value_parser = real, value_name = "BETA")]
    q_beta: Option<f64>,
    /// Tolerance of a native contact [default: that of the run, or 1.2]
    #[arg(long, value_parser = real, value_name = "LAMBDA")]
    q_lambda: Option<f64>,
    /// Leave out the frames of the first PS of each trajectory
    #[arg(long, value_parser = real, default_value_t = 0.0, value_name = "PS")]
    discard: f64,
    /// Take only every Nth frame
    #[arg(long, value_parser = whole::<u64, 1>, default_value_t = 1, value_name = "N")]
    stride: u64,
    /// Beads of rg, rmsd and rmsf: all, ca, or numbers from 0 and ranges, as in 0-9,15
    #[arg(long, default_value = "all", value_name = "all|ca|LIST")]
    beads: String,
    /// Beads nearer than this are in contact in the contact map, Å
    #[arg(long, value_parser = real, default_value_t = 8.0, value_name = "R")]
    contact_cutoff: f64,
    /// Free energy along one quantity or two, as rmsd or rmsd,q; can be repeated [default: along each
    /// quantity, and along (rmsd,q) or (rg,end-to-end), and (tic_1,tic_2)]
    #[arg(long, value_name = "X[,Y]")]
    free_energy: Vec<String>,
    /// Bins of a free energy along one quantity. Along two there are half as many for each
    #[arg(long, value_parser = whole::<usize, 1>, default_value_t = 50, value_name = "N")]
    bins: usize,
    /// Blocks of samples for errors
    #[arg(long, value_parser = whole::<usize, 2>, default_value_t = 20, value_name = "N")]
    blocks: usize,
    /// Quantity that tells folded from unfolded
    #[arg(long, value_enum, default_value_t = Core::Q, value_name = "QUANTITY")]
    core: Core,
    /// End of the folded core: q at least, rmsd at most [default: 0.8; 3 Å for rmsd]
    #[arg(long, value_parser = real, value_name = "X")]
    folded: Option<f64>,
    /// End of the unfolded core: q at most, rmsd at least [default: 0.3; 8 Å for rmsd]
    #[arg(long, value_parser = real, value_name = "X")]
    unfolded: Option<f64>,
    /// Lag time of TICA, ps [default: a tenth of the correlation time of q or rg]
    #[arg(long, value_parser = real, value_name = "PS")]
    lag: Option<f64>,
    /// Threads [default: one for each processor]
    #[arg(long, value_parser = whole::<usize, 1>, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Core {
    /// Fraction of native contacts
    Q,
    /// RMSD from the reference, Å
    Rmsd,
}

impl Analyze {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.check()?;
        let output = self.place()?;
        let threads = self.threads.unwrap_or_else(rayon::current_num_threads);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let place = Place::new(&output)?;
        let summary = pool.install(|| self.write(&place))?;
        place.complete()?;
        // The results in the folder of a run are part of its report.
        let of_report = if self.output.is_none() { &self.inputs[0] } else { &output };
        let page = of_report.join(report::NAME);
        report::write(of_report, &page)?;
        summary.tell();
        let [output, page] = [&output, &page].map(|path| printable(path.display()));
        tell!("  {output}  tables\n  {page}  report");
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses numbers that are out of range.
    fn check(&self) -> Result<()> {
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
        match self.threads {
            Some(0) => Err(Error::invalid("threads", 0, "at least 1")),
            _ => Ok(()),
        }
    }

    /// The folder of the results.
    fn place(&self) -> Result<PathBuf> {
        match (&self.output, &self.inputs[..]) {
            (Some(output), _) => Ok(output.clone()),
            (None, [run]) if run.is_dir() => Ok(run.join("analysis")),
            (None, _) => {
                let expected = "a folder for the results, because the input is not a single run";
                Err(Error::invalid("output", "none", expected))
            }
        }
    }

    /// Writes all files of results.
    fn write(&self, place: &Place) -> Result<summary::Summary> {
        let mut source = Source::read(self)?;
        self.choose(&mut source)?;
        let columns = Columns::new(self, &source)?;
        let mut log = summary::Log::new(self, &source, &columns);
        let folder = place.folder();
        let tica = tica::Components::find(self, &source, &columns, &mut log)?;
        let series = series::write(self, &source, &columns, tica.as_ref(), folder, &mut log)?;
        let ensemble = Ensemble::new(self, &source, &columns, series.samples, &mut log)?;
        series.sums.write(&source, &columns, folder)?;
        let mut summary =
            summary::Summary::new(&ensemble, &series.averages, &columns, folder, &mut log)?;
        estimates::write(self, &ensemble, folder, &mut log, &mut summary)?;
        kinetics::write(&series.passages, &source, folder, &mut log, &mut summary)?;
        if let Some(tica) = &tica {
            tica.write(folder)?;
        }
        log.write(folder)?;
        Ok(summary)
    }

    /// Leaves out the first frames of the trajectories.
    fn choose(&self, source: &mut Source) -> Result<()> {
        let mut longest: f64 = 0.0;
        for (track, facts) in source.tracks.iter_mut().zip(&source.facts) {
            let n = track.len();
            let first = match self.discard {
                0.0 => 0,
                discard => facts.clock.first_at(discard, n).ok_or_else(|| {
                    let expected = "trajectories that tell times, or --interval";
                    Error::invalid("discard", discard, expected)
                })?,
            };
            longest = longest.max(facts.clock.between(0, n.max(1) - 1).unwrap_or(0.0));
            track.choose(first, self.stride);
        }
        if source.tracks.iter().all(|track| track.chosen() == 0) {
            let expected = format!("less than {longest} ps, the length of the trajectories");
            return Err(Error::invalid("discard", self.discard, expected));
        }
        Ok(())
    }
}

/// The most bins along one quantity.
const MOST_BINS: usize = 1000;

/// The most blocks.
const MOST_BLOCKS: usize = 200;
