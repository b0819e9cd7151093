//! `flashschnet run --resume`: continues a run from its last checkpoint.

use std::path::Path;
use std::process::ExitCode;

use crate::checkpoint::{Checkpoint, Identity, NEWEST};
use crate::error::printable;
use crate::output::{FolderLock, Lengths, Output};
use crate::simulation::Simulation;
use crate::{Error, Result};
use anyhow::anyhow;

use super::drive::{Drive, OUTPUT, PLAN, SECTIONS};
use super::plan::{Limits, Plan};
use crate::cli::backend::BackendOptions;
use crate::cli::config::settings::{InForce, of_backend};
use crate::cli::inputs::InputOptions;
use crate::cli::signals::Interrupt;
use crate::cli::tell::tell;

/// The options that a run takes from its checkpoint.
pub(super) const SETTINGS: [&str; 41] = [
    "equilibration_steps",
    "replicas",
    "all_structures",
    "integrator",
    "dt",
    "mts",
    "friction",
    "temperature",
    "beta",
    "anneal",
    "minimize",
    "minimize_tolerance",
    "remove_com_motion",
    "save_interval",
    "seed",
    "first_replica",
    "output",
    "format",
    "npy",
    "velocities",
    "forces",
    "terms",
    "bias",
    "observables",
    "reference",
    "q_cutoff",
    "q_beta",
    "q_lambda",
    "on_blow_up",
    "max_force",
    "max_kinetic",
    "max_stretch",
    "precision",
    "portable",
    "filter",
    "table_tolerance",
    "exchange_interval",
    "ladder",
    "mixing",
    "tune_ladder",
    "trajectories_by",
];

/// The options that can be given again.
pub(super) struct Again<'a> {
    pub(super) inputs: &'a InputOptions,
    pub(super) backend: &'a BackendOptions,
    pub(super) steps: Option<u64>,
    pub(super) checkpoint_interval: Option<u64>,
    pub(super) limits: Limits,
}

/// Continues the run in a folder.
pub(super) fn resume(
    folder: &Path,
    again: &Again,
    in_force: Option<&InForce>,
) -> anyhow::Result<ExitCode> {
    // A folder without a checkpoint gets no lock.
    Checkpoint::latest(folder, known)?;
    let lock = FolderLock::take(folder)?;
    let (checkpoint, _) = Checkpoint::latest(folder, known)?;
    let mut plan: Plan = checkpoint.section(PLAN)?;
    let done = checkpoint.state.step;
    plan.steps = again.steps.unwrap_or(plan.steps);
    plan.checkpoint_interval = again.checkpoint_interval.or(plan.checkpoint_interval);
    if plan.steps < done {
        let expected = format!("at least {done}, the steps that are done");
        return Err(Error::invalid("steps", plan.steps, expected).into());
    }
    if plan.steps == done {
        let folder = printable(folder.display());
        tell!("the run in {folder} is finished: {done} steps; --steps N extends it to N steps");
        return Ok(ExitCode::SUCCESS);
    }
    checkpoint.dynamics.check_steps("steps", plan.steps)?;
    if let Some(every) = plan.checkpoint_interval {
        checkpoint.dynamics.check_steps("checkpoint-interval", every)?;
    }
    match again.inputs.is_given() {
        true => plan.inputs = again.inputs.absolute(),
        false => plan.inputs.check_files()?,
    }
    let inputs = plan.inputs.load()?;
    plan.inputs.warn_of_pipes();
    let backend = again.backend.open_again(&checkpoint.identity, &mut plan.choice)?;
    let identity = Identity::new(&inputs.model, &inputs.structures, &backend)?;
    if !identity.check(&checkpoint.identity)? {
        log::warn!(
            "the run goes on with {}, but the checkpoint is from {}: the bits may differ from \
             those of a run without interruption",
            place(&identity),
            place(&checkpoint.identity)
        );
    }
    let (model, structures) = (&inputs.model, &inputs.structures);
    let mut simulation = Simulation::new(model, structures, &checkpoint.settings(), &backend)?;
    simulation.set_observables(&plan.observables)?;
    let interrupt = Interrupt::install().map_err(|error| anyhow!("signals: {error}"))?;

    // The checkpoint must also fit the files, which somebody may have shortened.
    let (checkpoint, skipped) = Checkpoint::latest(folder, |checkpoint| {
        known(checkpoint)?;
        checkpoint.section::<Lengths>(OUTPUT)?.check(folder, &simulation)
    })?;
    if let Some(error) = &skipped {
        log::warn!("{error}; the run goes on from the checkpoint before it");
    }
    simulation.set_state(&checkpoint.state)?;
    let output = Output::resume(folder, lock, &simulation, &checkpoint.section(OUTPUT)?)?;
    if skipped.is_some() {
        // It must not become the previous checkpoint. It may be missing.
        let _ = std::fs::remove_file(folder.join(NEWEST));
    }
    let (folder, limits, exchanges) = (folder.to_owned(), again.limits, String::new());
    let mut drive =
        Drive { folder, simulation, output, identity, plan, limits, interrupt, exchanges };
    drive.resumed()?;
    if let (Some(text), Some(again)) = (drive.output.settings(), in_force) {
        match again.replace(&text, &of_backend(&drive.identity)) {
            Some(text) => drive.output.write_settings(&text)?,
            None => log::warn!("settings.toml is no TOML file any more, and stays as it is"),
        }
    }
    drive.run()
}

/// Refuses a checkpoint with sections that this version does not continue.
fn known(checkpoint: &Checkpoint) -> Result<()> {
    match checkpoint.section_names().find(|name| !SECTIONS.contains(name)) {
        Some(name) => {
            let what = format!("the section {name:?} of a checkpoint");
            Err(Error::unsupported(what, "a newer version of this program may continue the run"))
        }
        None => Ok(()),
    }
}

/// The backend and the evaluation of the network, in words.
fn place(identity: &Identity) -> String {
    let Identity { backend, device, numerics, .. } = identity;
    let device = device.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
    format!("{}{device} in {}", backend.name(), numerics.precision.name())
}
