//! `flashschnet analyze`: quantities, free energies and kinetics of trajectories.

mod beads;
mod columns;
mod correlation;
mod ensemble;
mod estimates;
mod input;
mod kinetics;
mod log;
mod molecule;
mod options;
mod place;
mod rows;
mod run_folder;
mod samples;
mod series;
mod source;
mod summary;
mod table;
mod tica;
mod times;
mod transitions;

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::error::printable;
use crate::{Error, Result};

use self::columns::Columns;
use self::correlation::Blocking;
use self::ensemble::Ensemble;
use self::log::Log;
pub(super) use self::options::Analyze;
use self::place::Place;
use self::series::Pass;
use self::source::Source;
use super::report;
use super::signals::Interrupt;
use super::tell::tell;

impl Analyze {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.check()?;
        let output = self.place()?;
        let threads = self.threads.unwrap_or_else(rayon::current_num_threads);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let place = Place::new(&output)?;
        let interrupt = Interrupt::install()?;
        let written = pool.install(|| self.write(&place, &interrupt));
        if let (Err(_), Some((code, name))) = (&written, interrupt.signal()) {
            tell!("interrupted by {name}; nothing is written");
            return Ok(ExitCode::from(code));
        }
        let summary = written?;
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

    /// Writes all files of results.
    fn write(&self, place: &Place, interrupt: &Interrupt) -> Result<summary::Summary> {
        let go_on = || match interrupt.signal() {
            None => Ok(()),
            Some(_) => Err(Error::io(place.folder(), ErrorKind::Interrupted.into())),
        };
        let mut source = input::read(self)?;
        self.choose(&mut source)?;
        let columns = Columns::new(self, &source)?;
        let mut log = Log::new(self, &source, &columns);
        source.lines.iter().for_each(|line| log.warn(line));
        let [n_ca, n_beads] = [source.molecule.of_chain().len(), source.molecule.n_beads()];
        if n_ca < n_beads {
            log.note(format!("contacts and TICA: {n_ca} CA beads of {n_beads}"));
        }
        let folder = place.folder();
        let blocking = Blocking::choose(self.blocks, &source, &columns, &mut log)?;
        let tica = tica::Components::find(self, &source, &columns, &blocking, &mut log)?;
        let (tica_of, n_blocks) = (tica.as_ref(), blocking.count);
        let pass = Pass { source: &source, columns: &columns, tica: tica_of, n_blocks };
        let series = pass.write(folder, &mut log, &go_on)?;
        let ensemble = Ensemble::new(self, &source, &columns, series.samples)?;
        go_on()?;
        let weighing = ensemble.weigh(self, &mut log)?;
        series.sums.write(&source, &columns, folder)?;
        let mut summary = summary::Summary::new(
            &ensemble,
            &weighing,
            &series.averages,
            &columns,
            folder,
            &mut log,
        )?;
        summary.doubt(blocking.doubt);
        if !ensemble.is_biased() {
            summary.doubt(series.transitions.missing());
        }
        go_on()?;
        estimates::write(self, &ensemble, &weighing, folder, &mut log, &mut summary)?;
        kinetics::write(&series.transitions, &source, folder, &mut log, &mut summary)?;
        if let Some(tica) = &tica {
            tica.write(folder)?;
        }
        log.write(folder)?;
        Ok(summary)
    }

    /// Leaves out the first frames of the trajectories.
    fn choose(&self, source: &mut Source) -> Result<()> {
        let mut last: Option<f64> = None;
        for (track, facts) in source.tracks.iter_mut().zip(&source.facts) {
            let n = track.len();
            let first = match self.discard {
                0.0 => 0,
                discard => facts.clock.first_at(discard, n).ok_or_else(|| {
                    let expected = "trajectories that tell times, or --interval";
                    Error::invalid("discard", discard, expected)
                })?,
            };
            let of_track = n.checked_sub(1).and_then(|frame| facts.clock.at(frame));
            last = last.into_iter().chain(of_track).reduce(f64::max);
            track.choose(first, self.stride);
        }
        if source.tracks.iter().all(|track| track.chosen() == 0) {
            let last = (1e6 * last.unwrap_or_default()).round() / 1e6;
            let expected = format!("at most {last} ps, the time of the last frame");
            return Err(Error::invalid("discard", self.discard, expected));
        }
        Ok(())
    }
}
