//! The integrators: their parameters, the kernels before and after the force evaluation, and
//! temperatures that change with the step.

use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel};
use super::params::{Params, integrator, words};
use super::state::{ReplicaState, vec4s};
use crate::engine::{Dynamics, FARTHEST, Integrator};
use crate::error::Result;
use crate::units;

/// The buffers of the integrators.
#[derive(Debug)]
pub(super) struct Integration {
    /// Given noise; one element until noise is given.
    xi: Buffer<[f32; 4]>,
    /// The points of temperatures that change with the step: step, low and high word, bits of kT, 0.
    ramp: Option<Buffer<[u32; 4]>>,
}

/// The kernels of the integrators.
#[derive(Debug)]
pub(super) struct Ends {
    /// Those before and after the force evaluation, for each step of an outer step.
    pub(super) steps: Vec<[Dispatch; 2]>,
    /// The temperature after an outer step, if it changes.
    pub(super) anneal: Option<Dispatch>,
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
        n_ladders: dynamics.exchange.as_ref().map_or(0, |exchange| exchange.ladders.len() as u32),
        ..params
    }
}

/// A point of shaders/lib/ramp.wgsl: a step and the number after it.
pub(super) fn ramp_point(step: u64, number: f64) -> [u32; 4] {
    let [low, high] = words(step);
    [low, high, (number as f32).to_bits(), 0]
}

/// A limit in f32. Shaders may assume that no number is infinite.
fn limit(x: f64) -> f32 {
    x.min(f64::from(f32::MAX)) as f32
}

impl Integration {
    /// An integration that draws its noise.
    pub(super) fn new(device: &Device, dynamics: &Dynamics) -> Result<Self> {
        let point = |(step, kelvin): &(u64, f64)| ramp_point(*step, units::BOLTZMANN * kelvin);
        let points: Vec<_> = dynamics.anneal.iter().map(point).collect();
        let ramp = (!points.is_empty()).then(|| Buffer::from_slice(device, "ramp", &points));
        Ok(Integration { xi: Buffer::zeroed(device, "xi", 1)?, ramp: ramp.transpose()? })
    }

    /// Makes room for as much given noise. Dispatches must be made again.
    pub(super) fn take_noise(&mut self, device: &Device, len: usize) -> Result<()> {
        self.xi = Buffer::zeroed(device, "xi", len)?;
        Ok(())
    }

    /// Whether there is room for as much given noise.
    pub(super) fn takes_noise(&self, len: usize) -> bool {
        self.xi.len == len
    }

    pub(super) fn set_noise(&self, device: &Device, noise: &[[f64; 3]]) -> Result<()> {
        self.xi.write(device, &vec4s(noise))
    }

    /// The kernels of the integrators. They draw the noise if `drawn`, else they take the given noise. `weights` are those of the slow forces in each step of an outer step.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        state: &ReplicaState,
        drawn: bool,
        weights: impl Iterator<Item = [u32; 2]>,
    ) -> Result<Ends> {
        let scope = state.scope().with("xi", &self.xi);
        let n_beads = state.n_beads();
        let has_bias = ("HAS_BIAS", Value::Flag(state.has_bias()));
        let bound = |name, constants: &[(&'static str, Value)]| {
            let kernel = Kernel::new(device, name, constants)?;
            kernel.bind(device, &scope, kernel.groups_for(n_beads))
        };
        let of_step = |(step, [at_begin, at_end]): (usize, [u32; 2])| {
            let weight = |weight: u32| ("SLOW_WEIGHT", Value::Real(f64::from(weight)));
            // Kernels that draw their noise read none, so one text serves several steps.
            let row = if drawn { 0 } else { step as u32 };
            let constants = [
                ("DRAWN", Value::Flag(drawn)),
                ("NOISE_ROW", Value::Count(row)),
                ("FARTHEST", Value::Real(FARTHEST)),
                weight(at_begin),
                has_bias,
            ];
            let begin = bound("integrate_begin", &constants)?;
            Ok([begin, bound("integrate_end", &[weight(at_end), has_bias])?])
        };
        let steps = weights.enumerate().map(of_step).collect::<Result<_>>()?;
        let anneal = |ramp: &Buffer<[u32; 4]>| {
            let points = [("N_POINTS", Value::Count(ramp.len as u32))];
            let kernel = Kernel::new(device, "anneal", &points)?;
            let scope = state.scope().with("ramp", ramp);
            kernel.bind(device, &scope, kernel.groups_for(state.n_replicas()))
        };
        Ok(Ends { steps, anneal: self.ramp.as_ref().map(anneal).transpose()? })
    }
}
