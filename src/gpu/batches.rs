//! Replicas in batches, each with an engine of its own, for a system whose largest buffer exceeds that
//! of the device.
//!
//! The results of a replica do not depend on the others, so they have the same bits as in one engine.
//! The replicas of a ladder are in one batch. The engines share a device, which runs their steps one
//! after the other, and the host waits for none of them between.

mod callback;
mod division;
mod probe;
mod reading;

use std::any::Any;

use self::division::{Batch, Division, divide};
use self::reading::{joined, joined_evaluation};
use super::device::Device;
use super::engine::GpuEngine;
use super::engine::fit::Fit;
use super::positions::GpuPositions;
use crate::bias::Bias;
use crate::engine::{
    CallbackForces, Dynamics, Engine, Evaluation, Exchange, ForceCallback, HostForces, Memory,
    Minimization, Minimized, Numerics, Probe, Reading, State, Terms, Uncollected, Wanted,
    check_biases, check_callback, check_positions, check_work,
};
use crate::error::{Error, Result};
use crate::structure::check_vectors;
use crate::system::System;
use crate::variable::Variable;

/// Makes an engine for a system: a [`GpuEngine`], or several if the largest buffer of the device has no
/// room for all replicas.
///
/// # Errors
/// See [`GpuEngine::new`].
pub(crate) fn make_engine(
    device: &Device,
    system: System,
    dynamics: &Dynamics,
    numerics: Numerics,
) -> Result<Box<dyn Engine>> {
    device.api.check_limits()?;
    dynamics.check(&system)?;
    let batches = divide(device, &system, dynamics, numerics.filter)?;
    Ok(match batches.len() {
        1 => Box::new(GpuEngine::new(device, system, dynamics, numerics)?),
        _ => Box::new(GpuBatches::new(device, system, dynamics, numerics, batches)?),
    })
}

/// The positions of the replicas of an engine, in one buffer or in a few.
///
/// # Errors
/// [`Error::Unsupported`] for an engine that does not compute through wgpu.
pub(crate) fn positions(engine: &dyn Engine) -> Result<Vec<GpuPositions>> {
    let engine = engine as &dyn Any;
    let found = if let Some(engine) = engine.downcast_ref::<GpuEngine>() {
        engine.shared_positions().map(|found| vec![found])
    } else if let Some(batches) = engine.downcast_ref::<GpuBatches>() {
        batches.shared_positions()
    } else {
        None
    };
    let what = "positions on the GPU for a backend without wgpu";
    found.ok_or_else(|| Error::unsupported(what, "use positions on the host"))
}

/// An engine for each batch of replicas.
#[derive(Debug)]
struct GpuBatches {
    system: System,
    dynamics: Dynamics,
    division: Division,
    /// One for each batch.
    engines: Vec<GpuEngine>,
    biases: Vec<Bias>,
    /// The forces of the host on all replicas. For the engines their sum is an external force.
    host: HostForces,
    /// The results of the callback for the reading that was not collected.
    requested: Uncollected<Option<CallbackForces>>,
    fit: Fit,
}

impl GpuBatches {
    fn new(
        device: &Device,
        system: System,
        dynamics: &Dynamics,
        numerics: Numerics,
        batches: Vec<Vec<usize>>,
    ) -> Result<Self> {
        let n_replicas = system.n_replicas();
        let division = Division::new(&system, dynamics.exchange.as_ref(), batches);
        let most = division.batches.iter().map(Batch::len).max().unwrap_or(0);
        log::info!("{} batches of at most {most} replicas", division.batches.len());
        let (mut engines, mut before) = (Vec::new(), 0);
        for batch in &division.batches {
            let fit = Fit::of_batch(device, n_replicas, before, batch.len());
            let (own, dynamics) = (batch.system(&system), batch.dynamics(dynamics));
            let engine = GpuEngine::on(device, own, &dynamics, numerics);
            engines.push(engine.map_err(|error| fit.advise(error))?);
            before += batch.len();
        }
        Ok(GpuBatches {
            fit: Fit::new(device, &system, dynamics),
            dynamics: dynamics.clone(),
            division,
            engines,
            biases: Vec::new(),
            host: HostForces::default(),
            requested: Uncollected::default(),
            system,
        })
    }

    /// Calls a function of the engine of each batch.
    fn each<T>(
        &mut self,
        mut call: impl FnMut(&Batch, &mut GpuEngine) -> Result<T>,
    ) -> Result<Vec<T>> {
        let all = self.division.batches.iter().zip(&mut self.engines);
        let found: Result<_> = all.map(|(batch, engine)| call(batch, engine)).collect();
        found.map_err(|error| self.fit.advise_all(error))
    }

    /// The results of the callback for a reading.
    fn of_callback(&self, wanted: Wanted) -> Option<CallbackForces> {
        wanted.energies.and_then(|_| self.host.found(wanted.forces))
    }

    fn joined(&self, readings: &[Reading], callback: Option<CallbackForces>) -> Reading {
        let mut reading = joined(&self.division, &self.dynamics, readings);
        reading.callback = callback.map(|found| found.without_frozen(&reading.frozen));
        reading
    }

    fn shared_positions(&self) -> Option<Vec<GpuPositions>> {
        let of_batch = |(batch, engine): (&Batch, &GpuEngine)| {
            let shared = engine.shared_positions()?;
            Some(GpuPositions { replicas: batch.replicas.clone(), ..shared })
        };
        self.division.batches.iter().zip(&self.engines).map(of_batch).collect()
    }

    /// Drops the readings of some batches, after an error in another.
    fn drop_readings(&mut self) {
        self.engines.iter_mut().for_each(|engine| drop(engine.collect()));
    }

    /// Splits a checked state.
    fn put(&mut self, state: &State) -> Result<()> {
        let dynamics = self.dynamics.clone();
        self.requested.forget();
        self.each(|batch, engine| engine.set_state(&batch.state(&dynamics, state)))?;
        self.host.outdate();
        Ok(())
    }
}

impl Engine for GpuBatches {
    fn device(&self) -> String {
        self.engines[0].device()
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.dynamics.check_state(&self.system, state)?;
        check_work(&self.biases, &state.work, self.system.n_replicas())?;
        self.put(state)
    }

    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        check_positions(&self.system, positions)?;
        self.each(|batch, engine| engine.set_positions(&batch.of_beads(positions)))?;
        self.host.outdate();
        Ok(())
    }

    fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        check_vectors("velocities", velocities, self.system.n_beads())?;
        self.each(|batch, engine| engine.set_velocities(&batch.of_beads(velocities)))?;
        Ok(())
    }

    fn set_beta(&mut self, beta: &[f64]) -> Result<()> {
        self.dynamics.check_beta(beta)?;
        self.each(|batch, engine| engine.set_beta(&batch.of_replicas(beta)))?;
        Ok(())
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        if let Some(forces) = forces {
            check_vectors("external forces", forces, self.system.n_beads())?;
        }
        self.host.set_external(forces);
        self.push_host_forces()
    }

    fn set_force_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) -> Result<()> {
        check_callback(&self.dynamics, callback.as_deref())?;
        self.each(|_, engine| engine.before_host_forces())?;
        self.host.set_callback(callback);
        self.push_host_forces()
    }

    fn set_biases(&mut self, biases: &[Bias]) -> Result<()> {
        check_biases(biases, &self.system, &self.dynamics)?;
        let dynamics = self.dynamics.clone();
        self.biases = biases.to_vec();
        self.each(|batch, engine| engine.set_biases(&batch.biases(&dynamics, biases)))?;
        Ok(())
    }

    fn set_observables(&mut self, variables: &[Variable]) -> Result<()> {
        variables.iter().try_for_each(|variable| variable.check(&self.system))?;
        self.each(|_, engine| engine.set_observables(variables))?;
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        self.dynamics.check_steps("steps", n_steps)?;
        if self.host.has_callback() {
            return self.advance_with_callback(n_steps / u64::from(self.dynamics.mts));
        }
        self.each(|_, engine| engine.advance(n_steps))?;
        Ok(())
    }

    fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        minimization.check()?;
        self.host.check_constant()?;
        let start = self.state()?;
        self.requested.forget();
        match self.each(|_, engine| engine.minimize(minimization)) {
            Ok(results) => Ok(self.division.replicas(|b| &results[b])),
            Err(error) => self.put(&start).and(Err(error)),
        }
    }

    fn exchange(&mut self) -> Result<()> {
        self.dynamics.exchange()?;
        self.each(|batch, engine| match batch.has_ladders() {
            true => engine.exchange(),
            false => Ok(()),
        })?;
        Ok(())
    }

    fn set_ladders(&mut self, exchange: &Exchange) -> Result<()> {
        self.dynamics.set_ladders(&self.system, exchange)?;
        self.each(|batch, engine| {
            let own = batch.exchange(exchange);
            own.map_or(Ok(()), |own| engine.set_ladders(&own))
        })?;
        Ok(())
    }

    fn read(&mut self, wanted: Wanted) -> Result<Reading> {
        if wanted.energies.is_some() {
            self.update_callback()?;
        }
        let readings = self.each(|_, engine| engine.read(wanted))?;
        Ok(self.joined(&readings, self.of_callback(wanted)))
    }

    fn evaluate_all(&mut self, terms: &[Terms], forces: bool) -> Result<Vec<Evaluation>> {
        let found = self.each(|_, engine| engine.evaluate_all(terms, forces))?;
        let of_term = |k| joined_evaluation(&self.division, |b| &found[b][k]);
        Ok((0..terms.len()).map(of_term).collect())
    }

    fn is_asynchronous(&self) -> bool {
        !self.host.has_callback()
    }

    fn request(&mut self, wanted: Wanted) -> Result<()> {
        self.requested.check_none()?;
        if wanted.energies.is_some() {
            self.update_callback()?;
        }
        self.each(|_, engine| engine.request(wanted)).inspect_err(|_| self.drop_readings())?;
        self.requested.put(self.of_callback(wanted));
        Ok(())
    }

    fn collect(&mut self) -> Result<Reading> {
        let callback = self.requested.take()?;
        let readings = self.each(|_, engine| engine.collect());
        let readings = readings.inspect_err(|_| self.drop_readings())?;
        Ok(self.joined(&readings, callback))
    }

    fn memory(&self) -> Memory {
        // The engines share a device, whose memory each of them reports.
        self.engines[0].memory()
    }

    fn probe(&mut self) -> &mut dyn Probe {
        self
    }
}
