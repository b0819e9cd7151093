//! The bias range of the forces: biases, and forces of the host.

use super::super::biases::Biases;
use super::super::buffer::Fetch;
use super::GpuEngine;
use super::fit::Fit;
use crate::bias::Bias;
use crate::engine::{Work, check_biases, work_of};
use crate::error::Result;

impl GpuEngine {
    /// Replaces the biases.
    pub(super) fn replace_biases(&mut self, all: &[Bias]) -> Result<()> {
        let fit = Fit::new(&self.device, &self.system, &self.dynamics);
        self.try_replace_biases(all).map_err(|error| fit.advise(error))
    }

    fn try_replace_biases(&mut self, all: &[Bias]) -> Result<()> {
        check_biases(all, &self.system, &self.dynamics)?;
        self.before_host_forces()?;
        let work = work_of(all, &self.work()?, self.system.n_replicas());
        // After an error there is no step with other biases than these.
        self.step = None;
        self.biases = match all {
            [] if self.hills.is_none() => None,
            all => Some(Biases::new(&self.device, &self.state, all)?),
        };
        self.state.make_work(&self.device, self.biases.as_ref().map_or(0, Biases::n_works))?;
        self.set_work(&work)?;
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.make_dispatches(&self.device, &self.state, self.biases.as_ref())?;
        }
        self.make_range(self.host.has_external() || self.host.has_callback())?;
        if self.step.is_none() {
            self.make_step()?;
        }
        self.write_host_forces()
    }

    /// The work of moving biases.
    fn work(&self) -> Result<Work> {
        let Some(biases) = &self.biases else { return Ok(Work::new()) };
        let mut fetch = Fetch::new(&self.device);
        let work = self.state.fetch_work(&mut fetch);
        Ok(biases.work(&fetch.run("reading the work")?, work))
    }

    /// Replaces the work of moving biases.
    pub(super) fn set_work(&self, work: &Work) -> Result<()> {
        let biases = self.biases.as_ref();
        biases.map_or(Ok(()), |biases| biases.set_work(&self.device, &self.state, work))
    }

    /// Makes or removes the bias range of the forces.
    pub(super) fn make_range(&mut self, host_acts: bool) -> Result<()> {
        let has_bias = host_acts || self.biases.is_some();
        if has_bias == self.state.has_bias() {
            return Ok(());
        }
        let fit = Fit::new(&self.device, &self.system, &self.dynamics);
        self.state.make_bias(&self.device, has_bias).map_err(|error| fit.advise(error))?;
        self.evaluations.none_valid();
        self.step = None;
        self.make_step()
    }

    /// Waits for everything that needs the present biases and forces of the host: pending steps that
    /// must be repeated.
    pub(in crate::gpu) fn before_host_forces(&mut self) -> Result<()> {
        self.step()?;
        self.complete()?;
        if self.has_pending() {
            self.look()?;
        }
        Ok(())
    }

    /// Writes the forces of the host to the device: to the bias range, or if there are biases to the
    /// buffer from which their kernel starts.
    pub(super) fn write_host_forces(&mut self) -> Result<()> {
        let forces = self.host.sum();
        match &self.biases {
            Some(biases) => {
                self.evaluations.bias_invalid();
                biases.push(&self.device, forces)
            }
            None => forces.map_or(Ok(()), |forces| self.state.set_bias(&self.device, forces)),
        }
    }
}
