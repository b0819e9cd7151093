//! `flashschnet energy`: energies and forces of structures, and of the frames of trajectories.

mod order;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::engine::{Evaluation, Terms};
use crate::error::{OfFile, printable};
use crate::io::{Trajectory, check_free, write_new};
use crate::largest::largest_by;
use crate::potential::{Potential, Request, Scores};
use crate::system::System;
use crate::{Error, Result};
use clap::Args;
use safetensors::{Dtype, tensor::TensorView};

use super::backend::BackendOptions;
use super::inputs::{self, InputOptions, Inputs};
use super::options::whole;
use super::table::{Row, Table};
use super::tell::{self, tell};

/// The number of structures or frames that are evaluated and printed at a time.
const BATCH: usize = 64;

/// Compute energies and forces of structures, or energies of the frames of a trajectory.
///
/// For structures, prints the total energy and the energy of every term in kcal/mol, and the
/// largest force on a bead in kcal/mol/Å. For the frames of a trajectory, prints the total energy;
/// --terms adds every term, and --output adds the forces. A frame that does not fit the molecule is
/// an error: beads at one point, a molecule that is wrapped into a periodic cell, or beads in
/// another order, which the lengths of the bonds tell.
///
/// The output file holds the f64 tensors energy_total and energy/TERM of shape (structures), and
/// forces_total and forces/TERM of shape (structures, beads, 3). If the structures differ in size,
/// the shape of the forces is (beads of all structures, 3). Element K of the i64 tensor first_bead
/// is the first bead of structure K. For a trajectory, frames take the place of structures.
#[derive(Args)]
#[command(group = inputs::required())]
pub(super) struct Energy {
    #[command(flatten)]
    pub(super) inputs: InputOptions,
    #[command(flatten)]
    pub(super) backend: BackendOptions,
    /// Evaluate the frames of this XTC, DCD or .npy file; a .npy file holds (frames, beads, 3),
    /// (replicas, frames, beads, 3) or, as torchmd writes it, (beads, 3, frames) in Å
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// PDB or mmCIF file with the beads in the order of the trajectory. They are put in the order
    /// of the structure by their names
    #[arg(long, value_name = "FILE", requires = "trajectory")]
    trajectory_order: Option<PathBuf>,
    /// Number of the structure that has the molecule of the trajectory, counted from 0
    #[arg(long, value_parser = whole::<usize, 0>, value_name = "K", default_value_t = 0, requires = "trajectory")]
    structure: usize,
    /// Evaluate only every Nth frame, starting with the first
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N", default_value_t = 1, requires = "trajectory")]
    stride: u64,
    /// Also print the energy of every term for each frame
    #[arg(long, requires = "trajectory")]
    terms: bool,
    /// Print comma-separated values with all digits
    #[arg(long)]
    csv: bool,
    /// Also write energies and forces to a new safetensors file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Energy {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &self.output {
            check_free(output)?;
        }
        if self.stride == 0 {
            return Err(Error::invalid("stride", 0, "at least 1").into());
        }
        let inputs = self.inputs.load()?;
        let mut report = None;
        let scored = match &self.trajectory {
            Some(path) => self.score_trajectory(path, &inputs, &mut report),
            None => self.score_structures(&inputs, &mut report),
        };
        let Some(mut report) = report else { return scored.map(|()| ExitCode::SUCCESS) };
        if let Err(error) = scored {
            if self.output.is_some() {
                // The rows before the error. A failure to print them is the second error.
                let _ = report.print_held(&[]);
            }
            return Err(error);
        }
        if let Some(output) = &self.output {
            write_new(output, &report.tensors()?)?;
            tell!("{}", printable(output.display()));
            report.print_held(&[output])?;
        }
        match report.broken {
            None => Ok(ExitCode::SUCCESS),
            Some(broken) => Err(broken.into()),
        }
    }

    fn score_structures(&self, inputs: &Inputs, report: &mut Option<Report>) -> anyhow::Result<()> {
        let system = System::new(&inputs.model, &inputs.structures)?;
        let backend = self.backend.open()?;
        let report = report.insert(Report::new(self, &system, vec!["structure"], true, true));
        let of = system.molecule_of().to_vec();
        let mut potential = Potential::of_system(system, backend);
        for (c, chunk) in inputs.structures.chunks(BATCH).enumerate() {
            let first = c * BATCH;
            let labels = (first..first + chunk.len()).map(|s| vec![s as u64]).collect();
            let positions = chunk.iter().map(|structure| structure.positions.clone()).collect();
            report.add(&mut potential, &of[first..][..chunk.len()], labels, positions)?;
        }
        Ok(())
    }

    fn score_trajectory(
        &self,
        path: &Path,
        inputs: &Inputs,
        report: &mut Option<Report>,
    ) -> anyhow::Result<()> {
        let Some(structure) = inputs.structures.get(self.structure) else {
            let expected = format!("one of the {} structures", inputs.structures.len());
            return Err(Error::invalid("structure", self.structure, expected).into());
        };
        let order = self
            .trajectory_order
            .as_deref()
            .map(|file| order::of_beads(file, structure, inputs.molecule.as_ref()))
            .transpose()?;
        let mut trajectory = Trajectory::open(path, structure.positions.len())?;
        let system = System::new(&inputs.model, std::slice::from_ref(structure))?;
        let backend = self.backend.open()?;
        let per_replica = trajectory.frames_per_replica().map(|n| n.max(1));
        let labels = if per_replica.is_some() { vec!["replica", "frame"] } else { vec!["frame"] };
        let with_forces = self.output.is_some();
        let report = report.insert(Report::new(self, &system, labels, self.terms, with_forces));
        let mut potential = Potential::of_system(system, backend);
        let (mut labels, mut frames) = (Vec::new(), Vec::new());
        loop {
            let number = trajectory.frame();
            let in_replica = per_replica.map_or(number, |n| number % n);
            let frame = match in_replica.is_multiple_of(self.stride) {
                true => trajectory.read(),
                false => match trajectory.skip() {
                    Ok(true) => continue,
                    end => end.map(|_| None),
                },
            };
            let label = per_replica.map_or(vec![number], |n| vec![number / n, number % n]);
            let frame = frame.and_then(|frame| {
                let Some(frame) = frame else { return Ok(None) };
                let frame = match &order {
                    Some(order) => order.iter().map(|place| frame[*place]).collect(),
                    None => frame,
                };
                fits(&potential, &label, frame).of_file(path).map(Some)
            });
            let more = matches!(frame, Ok(Some(_)));
            if let Ok(Some(frame)) = &frame {
                labels.push(label);
                frames.push(frame.clone());
            }
            // The frames before an error are evaluated and printed before the error is returned.
            if frames.len() >= BATCH || (!more && !frames.is_empty()) {
                let molecules = vec![0; frames.len()];
                let (labels, frames) = (std::mem::take(&mut labels), std::mem::take(&mut frames));
                report.add(&mut potential, &molecules, labels, frames).map_err(
                    |error| match error.downcast::<Error>() {
                        Ok(error) => error.of_file(path).into(),
                        Err(error) => error,
                    },
                )?;
            }
            if frame?.is_none() {
                break;
            }
        }
        match report.sizes.len() {
            0 => Err(Error::invalid("frames", "none", "at least one").of_file(path).into()),
            _ => Ok(()),
        }
    }
}

/// Refuses a frame that does not fit the molecule.
fn fits(potential: &Potential, label: &[u64], frame: Vec<[f64; 3]>) -> Result<Vec<[f64; 3]>> {
    let Some(misfit) = potential.misfit(0, &frame) else { return Ok(frame) };
    let name = match label {
        [replica, frame] => format!("replica {replica}, frame {frame}"),
        of => format!("frame {}", of[0]),
    };
    Err(Error::invalid(name, misfit, "positions of the molecule"))
}

/// The results. They are printed in pieces. If there is an output file, they are kept for it, and
/// printed after it is written.
struct Report {
    names: Vec<String>,
    terms: Vec<Terms>,
    with_forces: bool,
    keep: bool,
    /// The results of the last rows.
    scores: Scores,
    table: Table,
    /// The rows to print after the output file is written; empty without an output file.
    held: Vec<Row>,
    /// The name of a row in messages: "structure" or "frame".
    row_name: &'static str,
    /// The evaluations of all rows, one for each of `names`; empty without an output file.
    evaluations: Vec<Evaluation>,
    /// The number of beads of every row.
    sizes: Vec<usize>,
    /// Whether a warning of strange positions was given.
    doubted: bool,
    /// The first number that is not finite. It is returned after all rows were printed.
    broken: Option<Error>,
}

impl Report {
    fn new(
        options: &Energy,
        system: &System,
        labels: Vec<&'static str>,
        with_terms: bool,
        with_forces: bool,
    ) -> Self {
        let mut names = vec!["total".to_owned()];
        let mut terms = vec![Terms::Total];
        if with_terms {
            for (name, of_name) in Terms::of(system) {
                terms.push(of_name);
                names.push(name);
            }
        }
        Report {
            table: Table::new(options.csv, labels.clone(), names.clone(), with_forces),
            evaluations: vec![Evaluation::default(); names.len()],
            names,
            terms,
            with_forces,
            keep: options.output.is_some(),
            scores: Scores::default(),
            held: Vec::new(),
            row_name: labels[labels.len() - 1],
            sizes: Vec::new(),
            doubted: false,
            broken: None,
        }
    }

    /// Evaluates rows, and prints or keeps them; `labels` holds the numbers of each row.
    fn add(
        &mut self,
        potential: &mut Potential,
        molecules: &[usize],
        labels: Vec<Vec<u64>>,
        positions: Vec<Vec<[f64; 3]>>,
    ) -> anyhow::Result<()> {
        let request = Request { terms: self.terms.clone(), forces: self.with_forces };
        potential.evaluate(molecules, &positions.concat(), &request, &mut self.scores)?;
        let failed = self.scores.failed.pop_first();
        let found = &self.scores.evaluations;
        let n_rows = failed.as_ref().map_or(labels.len(), |(k, _)| *k);
        let failed = failed.map(|(k, error)| self.of_row(&labels[k], error));
        let mut rows = Vec::with_capacity(n_rows);
        let mut first_bead = 0;
        let of_rows = labels.into_iter().zip(&positions).take(n_rows);
        for (k, (labels, positions)) in of_rows.enumerate() {
            if !self.doubted {
                for doubt in potential.doubts(molecules[k], positions) {
                    log::warn!("{} {labels:?}: {doubt}; others are not reported", self.row_name);
                    self.doubted = true;
                }
            }
            let molecule = &potential.system().molecules()[molecules[k]];
            let energy = |(terms, of): (&Terms, &Evaluation)| match terms {
                Terms::Prior(p) if molecule.terms[*p].tuples.is_empty() => None,
                _ => Some(of.energy[k]),
            };
            let energies: Vec<Option<f64>> = self.terms.iter().zip(found).map(energy).collect();
            let beads = first_bead..first_bead + positions.len();
            first_bead = beads.end;
            let largest_force = self.with_forces.then(|| largest(&found[0].forces[beads]));
            let is_broken = energies.iter().flatten().any(|energy| !energy.is_finite())
                || largest_force.is_some_and(|(force, _)| !force.is_finite());
            if is_broken && self.broken.is_none() {
                let row = labels.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                let (field, number) = broken_number(potential, molecules[k], positions)?;
                let field = format!("{} {row}, {field}", self.row_name);
                self.broken = Some(Error::invalid(field, number, "a finite number"));
            }
            rows.push(Row { labels, energies, largest_force });
            self.sizes.push(positions.len());
        }
        if self.keep {
            for (all, found) in self.evaluations.iter_mut().zip(found) {
                all.energy.extend(&found.energy[..rows.len()]);
                all.forces.extend(&found.forces[..first_bead]);
            }
        }
        match self.keep {
            true => self.held.extend(rows),
            false => self.table.print(&mut tell::stdout(), &rows)?,
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The error of a row, with its name.
    fn of_row(&self, label: &[u64], error: Error) -> Error {
        let row = format!("{} {}", self.row_name, label.last().copied().unwrap_or_default());
        match error {
            Error::TooManyNeighbors { bead, found, limit, .. } => {
                let expected = format!("at most {limit}, the model's max_num_neighbors");
                let found = format!("{found} neighbors within the cutoff");
                Error::invalid(format!("{row}, bead {bead}"), found, expected)
            }
            Error::Overlap { what, .. } => Error::invalid(row, what, "beads apart"),
            other => other,
        }
    }

    /// Prints the rows that are held back, after `files` are written.
    fn print_held(&mut self, files: &[&Path]) -> std::io::Result<()> {
        tell::print_beside(files, |out| self.table.print(out, &self.held))
    }

    fn tensors(&self) -> Result<Vec<u8>> {
        let n = self.sizes.len();
        let n_beads = self.sizes[0];
        let mut first_bead = vec![0_i64];
        first_bead.extend(self.sizes.iter().scan(0, |sum, size| {
            *sum += *size as i64;
            Some(*sum)
        }));
        let same_size = self.sizes.iter().all(|size| *size == n_beads);
        let forces_shape =
            if same_size { vec![n, n_beads, 3] } else { vec![self.sizes.iter().sum(), 3] };
        let first_bead: Vec<u8> = first_bead.iter().flat_map(|b| b.to_le_bytes()).collect();
        let mut data = vec![("first_bead".to_owned(), Dtype::I64, vec![n + 1], first_bead)];
        for (k, (name, evaluation)) in self.names.iter().zip(&self.evaluations).enumerate() {
            let bytes = |x: &[f64]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            let separator = if k == 0 { '_' } else { '/' };
            let mut add = |what: &str, shape: Vec<usize>, values: &[f64]| {
                let name = format!("{what}{separator}{name}");
                data.push((name, Dtype::F64, shape, bytes(values)));
            };
            add("energy", vec![n], &evaluation.energy);
            add("forces", forces_shape.clone(), evaluation.forces.as_flattened());
        }
        let failed =
            |error: safetensors::SafeTensorError| Error::invalid("output", error, "tensors");
        let mut views = Vec::with_capacity(data.len());
        for (name, dtype, shape, bytes) in &data {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(failed)?;
            views.push((name.as_str(), view));
        }
        let metadata = [("format", "flashschnet energy 1"), ("units", "kcal/mol, kcal/mol/Å")];
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        safetensors::serialize(views, Some(metadata)).map_err(failed)
    }
}

/// The first term with an energy or a force that is not finite, and the number. If all terms are
/// finite, their sum is not.
fn broken_number(
    potential: &mut Potential,
    molecule: usize,
    positions: &[[f64; 3]],
) -> Result<(String, f64)> {
    let mut of_system = Terms::of(potential.system());
    of_system.push(("total".to_owned(), Terms::Total));
    let (names, terms): (Vec<String>, Vec<Terms>) = of_system.into_iter().unzip();
    let (request, mut scores) = (Request { terms, forces: true }, Scores::default());
    potential.evaluate(&[molecule], positions, &request, &mut scores)?;
    for (name, Evaluation { energy, forces, .. }) in names.into_iter().zip(scores.evaluations) {
        if let Some(energy) = energy.into_iter().find(|energy| !energy.is_finite()) {
            return Ok((format!("energy of {name}"), energy));
        }
        let (force, bead) = largest(&forces);
        if !force.is_finite() {
            return Ok((format!("force of {name} on bead {bead}"), force));
        }
    }
    Ok(("total".to_owned(), f64::NAN))
}

/// The magnitude of the largest force, and its bead.
fn largest(forces: &[[f64; 3]]) -> (f64, usize) {
    let norms = forces.iter().map(|f| f.iter().map(|f| f * f).sum::<f64>().sqrt());
    let largest = largest_by(norms.enumerate(), |(_, norm)| *norm);
    largest.map_or((0.0, 0), |(bead, force)| (force, bead))
}
