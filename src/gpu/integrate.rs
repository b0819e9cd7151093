//! The integrators: their parameters, and the kernels before and after the force evaluation.

use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel};
use super::params::{Params, integrator, words};
use super::state::{ReplicaState, vec4s};
use crate::engine::{Dynamics, FARTHEST, Integrator};
use crate::error::Result;

/// The buffer for given noise.
#[derive(Debug)]
pub(super) struct Integration {
    /// One element until noise is given.
    xi: Buffer<[f32; 4]>,
}

/// The kernels before and after the force evaluation.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) begin: Dispatch,
    pub(super) end: Dispatch,
}

/// `params` with the parameters of these dynamics.
pub(super) fn params(dynamics: &Dynamics, params: Params) -> Params {
    let dt = dynamics.dt;
    let (integrator, keep, mobility) = match dynamics.integrator {
        Integrator::Langevin { friction } => (integrator::LANGEVIN, (-friction * dt).exp(), 0.0),
        Integrator::Nve => (integrator::NVE, 1.0, 0.0),
        Integrator::Overdamped { friction } => (integrator::OVERDAMPED, 1.0, dt / friction),
        Integrator::OverdampedPublished { friction } => {
            (integrator::OVERDAMPED_PUBLISHED, 1.0, dt / friction)
        }
    };
    let [seed_low, seed_high] = words(dynamics.seed);
    Params {
        seed_low,
        seed_high,
        integrator,
        dt: dt as f32,
        keep: keep as f32,
        // From the rounded keep, so that noise and friction balance at the right temperature.
        refresh: (1.0 - f64::from(keep as f32).powi(2)).sqrt() as f32,
        mobility: mobility as f32,
        max_force2: limit(dynamics.watch.max_force.powi(2)),
        max_kinetic: limit(dynamics.watch.max_kinetic),
        max_stretch: limit(dynamics.watch.max_stretch),
        ..params
    }
}

/// A limit in f32. Shaders may assume that no number is infinite.
fn limit(x: f64) -> f32 {
    x.min(f64::from(f32::MAX)) as f32
}

impl Integration {
    /// An integration that draws its noise.
    pub(super) fn new(device: &Device) -> Result<Self> {
        Ok(Integration { xi: Buffer::zeroed(device, "xi", 1)? })
    }

    /// Makes room for given noise. Dispatches must be made again.
    pub(super) fn take_noise(&mut self, device: &Device, n_beads: usize) -> Result<()> {
        self.xi = Buffer::zeroed(device, "xi", n_beads)?;
        Ok(())
    }

    /// Whether there is room for given noise.
    pub(super) fn takes_noise(&self, n_beads: usize) -> bool {
        self.xi.len == n_beads
    }

    pub(super) fn set_noise(&self, device: &Device, noise: &[[f64; 3]]) -> Result<()> {
        self.xi.write(device, &vec4s(noise))
    }

    /// The kernels before and after the force evaluation. They draw the noise if `drawn`, else they
    /// take the given noise.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        state: &ReplicaState,
        drawn: bool,
    ) -> Result<Ends> {
        let scope = state.scope().with("xi", &self.xi);
        let constants = [("DRAWN", Value::Flag(drawn)), ("FARTHEST", Value::Real(FARTHEST))];
        let begin = Kernel::new(device, "integrate_begin", &constants)?;
        let end = Kernel::new(device, "integrate_end", &[])?;
        let n_beads = state.n_beads();
        Ok(Ends {
            begin: begin.bind(device, &scope, begin.groups_for(n_beads))?,
            end: end.bind(device, &scope, end.groups_for(n_beads))?,
        })
    }
}
