//! `flashschnet energy`: energies and forces of structures.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flashschnet::engine::{Engine, Evaluation, State, Terms};
use flashschnet::io::{check_free, write_new};
use flashschnet::system::System;
use flashschnet::{Error, Result};
use safetensors::{Dtype, tensor::TensorView};

use super::BackendOptions;
use super::inputs::InputOptions;

/// Compute energies and forces of structures, in all and term by term.
///
/// Prints a table in kcal/mol, with the largest force on a bead in kcal/mol/Å. The output file
/// holds f64 tensors: energy_total and energy/TERM (structures), forces_total and forces/TERM
/// (structures, beads, 3), or (beads of all structures, 3) if the structures differ in size, and
/// first_bead (structures + 1).
#[derive(Args)]
pub(super) struct Energy {
    #[command(flatten)]
    inputs: InputOptions,
    #[command(flatten)]
    backend: BackendOptions,
    /// Also write energies and forces to a new safetensors file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Energy {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &self.output {
            check_free(output)?;
        }
        let inputs = self.inputs.load()?;
        let backend = self.backend.open()?;
        let system = System::new(&inputs.model, &inputs.structures)?;
        let mut engine = backend.engine(system.clone())?;
        let mut state = State::default();
        for structure in &inputs.structures {
            state.positions.extend(&structure.positions);
        }
        state.velocities.resize(state.positions.len(), [0.0; 3]);
        engine.set_state(&state)?;
        let evaluations = evaluate(&mut *engine, &system)?;
        table(&system, &evaluations)?;
        if let Some(output) = &self.output {
            write_new(output, &tensors(&system, &evaluations)?)?;
            eprintln!("{}", output.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The total first, then each term with its name.
fn evaluate(engine: &mut dyn Engine, system: &System) -> Result<Vec<(String, Evaluation)>> {
    let mut evaluations = vec![("total".to_owned(), engine.evaluate(Terms::Total)?)];
    let n_networks = usize::from(system.schnet.is_some());
    for (k, name) in system.term_names().into_iter().enumerate() {
        let terms = k.checked_sub(n_networks).map_or(Terms::Network, Terms::Prior);
        evaluations.push((name, engine.evaluate(terms)?));
    }
    Ok(evaluations)
}

fn table(system: &System, evaluations: &[(String, Evaluation)]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let width = evaluations.iter().map(|(name, _)| name.len()).max().unwrap_or_default().max(14);
    write!(out, "structure")?;
    for (name, _) in evaluations {
        write!(out, " {name:>width$}")?;
    }
    writeln!(out, " {:>14} {:>7}", "largest force", "on bead")?;
    for s in 0..system.n_replicas() {
        write!(out, "{s:>9}")?;
        for (_, evaluation) in evaluations {
            write!(out, " {:>width$.6}", evaluation.energy[s])?;
        }
        let forces = &evaluations[0].1.forces[system.beads(s)];
        let norms = forces.iter().map(|f| f.iter().map(|f| f * f).sum::<f64>().sqrt());
        let largest = norms.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let (bead, force) = largest.unwrap_or_default();
        writeln!(out, " {force:>14.6} {bead:>7}")?;
    }
    Ok(())
}

fn tensors(system: &System, evaluations: &[(String, Evaluation)]) -> Result<Vec<u8>> {
    let n = system.n_replicas();
    let n_beads = system.beads(0).len();
    let same_size = (0..n).all(|s| system.beads(s).len() == n_beads);
    let forces_shape = if same_size { vec![n, n_beads, 3] } else { vec![system.n_beads(), 3] };
    let first_bead: Vec<u8> =
        system.first_bead.iter().flat_map(|b| (*b as i64).to_le_bytes()).collect();
    let mut data = vec![("first_bead".to_owned(), Dtype::I64, vec![n + 1], first_bead)];
    for (k, (name, evaluation)) in evaluations.iter().enumerate() {
        let bytes = |x: &[f64]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let separator = if k == 0 { '_' } else { '/' };
        let mut add = |what: &str, shape: Vec<usize>, values: &[f64]| {
            let name = format!("{what}{separator}{name}");
            data.push((name, Dtype::F64, shape, bytes(values)));
        };
        add("energy", vec![n], &evaluation.energy);
        add("forces", forces_shape.clone(), evaluation.forces.as_flattened());
    }
    let failed = |error: safetensors::SafeTensorError| Error::invalid("output", error, "tensors");
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
