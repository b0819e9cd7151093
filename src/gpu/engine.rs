//! The GPU engine: state on the device, many steps a submission.

use std::time::Instant;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Commands, Dispatch, run};
use super::network::Network;
use super::params::{ALL_TERMS, NO_TERM, Params, Status};
use super::plan::{Buffers, Plan};
use super::profile::Stopwatch;
use crate::engine::{
    Dynamics, Engine, Evaluation, Integrator, KernelTime, Memory, Numerics, Precision, State, Terms,
};
use crate::error::{Error, Result};
use crate::system::{System, check_vectors};

/// Far from any bead, so that every replica's list is rebuilt at the next check.
const NOWHERE: f32 = 1e9;
/// Room for edges beyond those counted, so that a list seldom outgrows it.
const HEADROOM: f64 = 1.2;
/// A submission should last about this long: long against its cost, short against a watchdog.
const SUBMISSION_SECONDS: f64 = 0.05;
/// At most this many steps in a submission.
const MAX_STEPS: u64 = 256;

/// An [`Engine`] on a GPU through wgpu, in f32.
#[derive(Debug)]
pub struct Wgpu {
    device: Device,
    system: System,
    precision: Precision,
    buffers: Buffers,
    network: Option<Network>,
    plan: Plan,
    params: Params,
    dynamics: Option<Dynamics>,
    /// Origin of each replica's coordinates on the device, Å: whole numbers near its centroid.
    centers: Vec<[f64; 3]>,
    step: u64,
    last_good: u64,
    /// Forces and energies on the device belong to its positions and to the present request.
    forces_valid: bool,
    has_external: bool,
    steps_per_submission: u64,
}

impl Wgpu {
    /// Puts a system on a device.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] with the number of replicas that would fit, and
    /// [`Error::Unsupported`] for a network too wide for the adapter.
    pub fn new(device: &Device, system: System, numerics: impl Into<Numerics>) -> Result<Self> {
        let numerics = numerics.into();
        let replicas = system.n_replicas();
        // A fifth of all pairs is a start; the list grows to what it needs.
        let widest = (0..replicas).map(|r| system.molecule(r).n_beads()).max().unwrap_or(1);
        let capacity = (widest * (widest - 1) / 5).clamp(widest, widest * 32);
        check_fit(device, &system, capacity)?;
        let buffers =
            Buffers::new(device, &system, capacity).map_err(|error| with_fit(error, replicas))?;
        let network = match &system.schnet {
            Some(schnet) => Some(
                Network::new(device, schnet, numerics, &system, capacity)
                    .map_err(|error| with_fit(error, replicas))?,
            ),
            None => None,
        };
        let plan = buffers.plan(device, &system, network.as_ref())?;
        let params = Params {
            n_beads: system.n_beads() as u32,
            n_replicas: replicas as u32,
            capacity: capacity as u32,
            term: ALL_TERMS,
            with_external: 0,
            seed_low: 0,
            seed_high: 0,
            integrator: 0,
            dt: 0.0,
            keep: 0.0,
            refresh: 0.0,
            mobility: 0.0,
        };
        let centers = vec![[0.0; 3]; replicas];
        Ok(Wgpu {
            device: device.clone(),
            system,
            precision: numerics.precision,
            buffers,
            network,
            plan,
            params,
            dynamics: None,
            centers,
            step: 0,
            last_good: 0,
            forces_valid: false,
            has_external: false,
            steps_per_submission: 1,
        })
    }

    /// Kernels of one step, in order.
    pub fn kernel_names(&self) -> Vec<&'static str> {
        self.plan.step(true).map(Dispatch::name).collect()
    }

    /// Kernels of [`Engine::energies`] of all terms after the neighbor list, in order.
    pub fn energy_kernel_names(&self) -> Vec<&'static str> {
        self.plan.energies().map(Dispatch::name).chain([self.plan.energy.name()]).collect()
    }

    /// Rebuilds of the neighbor list of each replica since its state was set.
    pub fn neighbor_builds(&self) -> Result<Vec<u32>> {
        let status = self.buffers.status.read(&self.device)?;
        Ok(status.iter().map(|status| status.builds).collect())
    }

    /// Prior energy of each bead at the last evaluation.
    pub(super) fn prior_energy(&self) -> Result<Vec<f64>> {
        let force = self.buffers.force.read(&self.device)?;
        Ok(force.iter().map(|force| f64::from(force[3])).collect())
    }

    /// The part of a step before the force evaluation, with given forces and noise.
    pub(super) fn begin_step(&mut self, forces: &[[f64; 3]], noise: &[[f64; 3]]) -> Result<()> {
        self.write_params(ALL_TERMS, false);
        self.buffers.force.write(&self.device, &quads(forces));
        self.buffers.noise.write(&self.device, &quads(noise));
        run(&self.device, [&self.plan.begin_given]);
        self.forces_valid = false;
        Ok(())
    }

    fn replica_id(&self, r: usize) -> u32 {
        self.dynamics.as_ref().map_or(r as u32, |dynamics| dynamics.replica_ids[r])
    }

    fn write_params(&self, term: u32, external: bool) {
        let params = Params { term, with_external: u32::from(external), ..self.params };
        self.buffers.params.write(&self.device, &[params]);
    }

    /// Has every replica's list rebuilt at the next check.
    fn forget_lists(&self) {
        let nowhere = vec![[NOWHERE; 4]; self.system.n_beads()];
        self.buffers.built_at.write(&self.device, &nowhere);
    }

    /// Grows the neighbor list if a replica ran out of room; tells whether one did.
    fn grown(&mut self) -> Result<bool> {
        let mut status = self.buffers.status.read(&self.device)?;
        let needed = status.iter().map(|status| status.overflow).max().unwrap_or(0);
        if needed == 0 {
            return Ok(false);
        }
        let most = (0..self.system.n_replicas()).map(|r| {
            let n = self.system.molecule(r).n_beads() as u64;
            n * (n - 1)
        });
        let capacity = (f64::from(needed) * HEADROOM) as u64;
        let capacity = capacity.min(most.max().unwrap_or(0)) as usize;
        log::info!("neighbor list: room for {capacity} edges per replica");
        let replicas = self.system.n_replicas();
        self.buffers.col =
            Buffer::zeroed(&self.device, "col", 1).map_err(|error| with_fit(error, replicas))?;
        self.buffers.col = Buffer::zeroed(&self.device, "col", capacity * replicas)
            .map_err(|error| with_fit(error, replicas))?;
        if let Some(network) = &mut self.network {
            network
                .grow(&self.device, capacity * replicas)
                .map_err(|error| with_fit(error, replicas))?;
        }
        self.params.capacity = capacity as u32;
        for status in &mut status {
            (status.overflow, status.broken) = (0, 0);
        }
        self.buffers.status.write(&self.device, &status);
        self.plan = self.buffers.plan(&self.device, &self.system, self.network.as_ref())?;
        self.forget_lists();
        Ok(true)
    }

    /// Brings the neighbor list up to date, with room for all its edges.
    fn update_lists(&mut self) -> Result<()> {
        loop {
            self.write_params(ALL_TERMS, false);
            run(&self.device, &self.plan.neighbors);
            if !self.grown()? {
                return Ok(());
            }
        }
    }

    /// Runs the force evaluation.
    fn run_forces(&mut self, term: u32, external: bool) -> Result<()> {
        self.update_lists()?;
        self.write_params(term, external);
        run(&self.device, self.plan.forces());
        Ok(())
    }

    /// Runs one prior term, with no energy of the network.
    fn run_prior(&self, k: usize) {
        self.write_params(k as u32, false);
        let mut commands = Commands::new(&self.device);
        commands.clear(&self.buffers.bead_energy);
        commands.dispatch(&self.plan.priors);
        self.device.submit(commands);
    }

    /// Forces and energies of the present positions, external forces included.
    fn ensure_forces(&mut self) -> Result<()> {
        if !self.forces_valid {
            self.run_forces(ALL_TERMS, self.has_external)?;
            self.forces_valid = true;
        }
        Ok(())
    }

    /// Encodes one submission while another is at work, so that the device never waits, and waits
    /// for the earlier one, so that no more than two are under way.
    fn submit_steps(&mut self, n_steps: u64, draw_noise: bool) -> Result<()> {
        let mut left = n_steps;
        let mut earlier = None;
        let mut clock = Instant::now();
        while left > 0 {
            let steps = left.min(self.steps_per_submission);
            let mut commands = Commands::new(&self.device);
            commands.dispatch((0..steps).flat_map(|_| self.plan.step(draw_noise)));
            let submission = self.device.submit(commands);
            left -= steps;
            if let Some(earlier) = earlier.replace(submission) {
                self.device.wait_for(earlier, "advancing")?;
                let seconds = clock.elapsed().as_secs_f64();
                clock = Instant::now();
                if seconds < SUBMISSION_SECONDS {
                    self.steps_per_submission = (self.steps_per_submission * 2).min(MAX_STEPS);
                } else if seconds > 4.0 * SUBMISSION_SECONDS {
                    self.steps_per_submission = (self.steps_per_submission / 2).max(1);
                }
            }
        }
        Ok(())
    }

    /// [`Wgpu::submit_steps`], each dispatch timed.
    fn time_steps(&mut self, n_steps: u64, draw_noise: bool) -> Result<Vec<KernelTime>> {
        let step = || self.plan.step(draw_noise);
        let mut stopwatch = Stopwatch::new(&self.device, step().count())?;
        let most = self.steps_per_submission.min(stopwatch.most_steps());
        let mut left = n_steps;
        while left > 0 {
            let steps = left.min(most);
            stopwatch.run(&self.device, steps, step)?;
            left -= steps;
        }
        let status = self.buffers.status.read(&self.device)?;
        Ok(stopwatch.times(step(), status.iter().map(|status| u64::from(status.edges)).sum()))
    }

    /// Moves `n_steps` by `submit`, which is told whether to draw noise; and again from the start
    /// if a neighbor list overflowed on the way.
    fn move_steps(
        &mut self,
        n_steps: u64,
        noise: Option<&[[f64; 3]]>,
        mut submit: impl FnMut(&mut Self, u64, bool) -> Result<()>,
    ) -> Result<()> {
        if self.dynamics.is_none() {
            return Err(Error::invalid("dynamics", "none", "set_dynamics before advance"));
        }
        self.ensure_forces()?;
        if let Some(noise) = noise {
            self.buffers.noise.write(&self.device, &quads(noise));
        }
        self.buffers.keep(&self.device);
        loop {
            self.write_params(ALL_TERMS, self.has_external);
            submit(self, n_steps, noise.is_none())?;
            if !self.grown()? {
                break;
            }
            self.buffers.restore(&self.device);
            self.buffers.step_count.write(&self.device, &words(self.step));
        }
        self.step += n_steps;
        Ok(())
    }

    /// Fails if the state on the device is not one of the model.
    fn check_status(&mut self) -> Result<()> {
        let status = self.buffers.status.read(&self.device)?;
        if let Some(r) = status.iter().position(|status| status.broken > 0) {
            return Err(Error::BlowUp {
                replica: self.replica_id(r),
                first_step: self.last_good,
                last_step: u64::from(status[r].broken),
                what: "a coordinate is not finite".into(),
            });
        }
        let limit = self.system.schnet.as_ref().and_then(|schnet| schnet.max_num_neighbors);
        if let Some(limit) = limit
            && let Some(r) = status.iter().position(|status| status.crowded > limit)
        {
            let beads = self.system.beads(r);
            let counts = self.neighbor_counts(beads.clone())?;
            // The beads may have parted since the list was built.
            let bead = counts.iter().position(|n| *n > limit);
            let found = bead.map_or(status[r].crowded, |bead| counts[bead]);
            let bead = bead.unwrap_or(0) as u32;
            return Err(Error::TooManyNeighbors {
                replica: self.replica_id(r),
                bead,
                found,
                limit,
            });
        }
        self.last_good = self.step;
        Ok(())
    }

    /// Neighbors within the cutoff of some beads, by the present list.
    fn neighbor_counts(&self, beads: std::ops::Range<usize>) -> Result<Vec<u32>> {
        let Some(schnet) = &self.system.schnet else {
            return Ok(vec![0; beads.len()]);
        };
        let radius = schnet.neighbor_radius() as f32;
        let position = self.buffers.position.read(&self.device)?;
        let row = self.buffers.row.read(&self.device)?;
        let col = self.buffers.col.read(&self.device)?;
        let square = |i: usize, j: usize| {
            (0..3).map(|c| (position[i][c] - position[j][c]).powi(2)).sum::<f32>()
        };
        let near = |i: usize| {
            let senders = &col[row[i][0] as usize..row[i][1] as usize];
            senders.iter().filter(|j| square(i, **j as usize) < radius * radius).count() as u32
        };
        Ok(beads.map(near).collect())
    }

    /// The energies of the last evaluation, summed by replica.
    fn sum_energies(&self) -> Result<Vec<f64>> {
        run(&self.device, [&self.plan.energy]);
        let energy = self.buffers.energy.read(&self.device)?;
        Ok(energy.iter().map(|[sum, rest]| f64::from(*sum) + f64::from(*rest)).collect())
    }
}

/// Refuses a job whose largest buffer no binding of the device can hold, before anything is
/// allocated.
fn check_fit(device: &Device, system: &System, capacity: usize) -> Result<()> {
    let widths = system.schnet.iter().flat_map(|schnet| {
        let readout = schnet.readout.iter().map(|layer| layer.n_out);
        [schnet.n_hidden, schnet.n_filters()].into_iter().chain(readout)
    });
    // A position, or the widest row of features.
    let row_bytes = 4 * widths.max().unwrap_or(0).max(4) as u64;
    let edge_bytes = if system.schnet.is_some() { 4 * capacity * system.n_replicas() } else { 0 };
    let needed = (row_bytes * system.n_beads() as u64).max(edge_bytes as u64);
    let available = device.most_bytes();
    if needed <= available {
        return Ok(());
    }
    let what = "the largest buffer".to_owned();
    let error = Error::OutOfMemory { what, needed, available, advice: String::new() };
    Err(with_fit(error, system.n_replicas()))
}

/// Says how many replicas would fit, by proportion.
fn with_fit(error: Error, replicas: usize) -> Error {
    match error {
        Error::OutOfMemory { what, needed, available, .. } => {
            let fit = (replicas as f64 * available as f64 / needed as f64) as usize;
            let fit = fit.min(replicas.saturating_sub(1));
            let advice = match fit {
                0 => format!("not one of the {replicas} replicas fits; try --backend cpu"),
                _ => format!("about {fit} of the {replicas} replicas would fit"),
            };
            Error::OutOfMemory { what, needed, available, advice }
        }
        other => other,
    }
}

pub(super) fn quads(vectors: &[[f64; 3]]) -> Vec<[f32; 4]> {
    vectors.iter().map(|v| quad(*v, 0.0)).collect()
}

fn quad(v: [f64; 3], fourth: f32) -> [f32; 4] {
    [v[0] as f32, v[1] as f32, v[2] as f32, fourth]
}

pub(super) fn triples(quads: &[[f32; 4]]) -> Vec<[f64; 3]> {
    quads.iter().map(|q| [q[0], q[1], q[2]].map(f64::from)).collect()
}

fn words(step: u64) -> [u32; 2] {
    [step as u32, (step >> 32) as u32]
}

/// A replica whose centroid lies this near to the origin keeps its coordinates as they are, Å:
/// shifting them could only cost digits.
const NEAR: f64 = 32.0;

/// Moving beads have positions that are multiples of 1/GRID Å, in two numbers: so that an origin in
/// whole numbers and both of them have an exact sum in f64. Single numbers nearer to 0 than that
/// are left as they are given.
const GRID: f64 = 4_294_967_296.0;

/// The nearest position that the device can hold.
fn on_grid(x: f64) -> f64 {
    (x * GRID).round() / GRID
}

/// The origin for a replica's coordinates: the old one if all of them are exact on the device, so
/// that reading a state and setting it again keeps every bit; else 0 for a replica near it, and
/// whole numbers near the centroid for one far away.
fn center(positions: &[[f64; 3]], old: [f64; 3]) -> [f64; 3] {
    let mean = centroid(positions);
    let exact = |x: &[f64; 3]| x.iter().all(|x| on_grid(*x) == *x);
    if (0..3).all(|c| (mean[c] - old[c]).abs() < 2.0 * NEAR) && positions.iter().all(exact) {
        old
    } else if mean.iter().all(|x| x.abs() < NEAR) {
        [0.0; 3]
    } else {
        mean.map(f64::round)
    }
}

fn centroid(positions: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|c| positions.iter().map(|x| x[c]).sum::<f64>() / positions.len() as f64)
}

impl Engine for Wgpu {
    fn device(&self) -> String {
        let api = if self.device.is_cuda() { "cuda" } else { "wgpu" };
        format!("{api}: {}, {}", self.precision.name(), self.device.name())
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        let n = self.system.n_beads();
        check_vectors("positions", &state.positions, n)?;
        check_vectors("velocities", &state.velocities, n)?;
        let masses = self.system.masses();
        let (mut positions, mut positions_low) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let mut velocities = Vec::with_capacity(n);
        for r in 0..self.system.n_replicas() {
            let beads = self.system.beads(r);
            self.centers[r] = center(&state.positions[beads.clone()], self.centers[r]);
            let origin = self.centers[r];
            for i in beads {
                let x: [f64; 3] = std::array::from_fn(|c| state.positions[i][c] - origin[c]);
                positions.push(quad(x, self.buffers.classes[i]));
                positions_low.push(quad(x.map(|x| on_grid(x - f64::from(x as f32))), 0.0));
                velocities.push(quad(state.velocities[i], (1.0 / masses[i]) as f32));
            }
        }
        self.buffers.position.write(&self.device, &positions);
        self.buffers.position_low.write(&self.device, &positions_low);
        self.buffers.velocity.write(&self.device, &velocities);
        self.buffers.step_count.write(&self.device, &words(state.step));
        let status = vec![Status::default(); self.system.n_replicas()];
        self.buffers.status.write(&self.device, &status);
        self.forget_lists();
        (self.step, self.last_good, self.forces_valid) = (state.step, state.step, false);
        Ok(())
    }

    fn state(&mut self) -> Result<State> {
        self.check_status()?;
        let mut positions = triples(&self.buffers.position.read(&self.device)?);
        let positions_low = triples(&self.buffers.position_low.read(&self.device)?);
        let velocities = triples(&self.buffers.velocity.read(&self.device)?);
        for r in 0..self.system.n_replicas() {
            for i in self.system.beads(r) {
                for c in 0..3 {
                    positions[i][c] += positions_low[i][c] + self.centers[r][c];
                }
            }
        }
        Ok(State { positions, velocities, step: self.step })
    }

    fn set_dynamics(&mut self, dynamics: &Dynamics) -> Result<()> {
        dynamics.check(&self.system)?;
        let dt = dynamics.dt;
        let (integrator, keep, mobility) = match dynamics.integrator {
            Integrator::Langevin { friction } => (0, (-friction * dt).exp(), 0.0),
            Integrator::Nve => (1, 1.0, 0.0),
            Integrator::Overdamped { friction } => (2, 0.0, 1.0 / friction),
        };
        self.params = Params {
            seed_low: dynamics.seed as u32,
            seed_high: (dynamics.seed >> 32) as u32,
            integrator,
            dt: dt as f32,
            keep: keep as f32,
            refresh: (1.0 - keep * keep).sqrt() as f32,
            mobility: mobility as f32,
            ..self.params
        };
        let mut replica = self.buffers.replica.read(&self.device)?;
        for (r, replica) in replica.iter_mut().enumerate() {
            replica[2] = dynamics.replica_ids[r];
            replica[3] = ((1.0 / dynamics.beta[r]) as f32).to_bits();
        }
        self.buffers.replica.write(&self.device, &replica);
        self.dynamics = Some(dynamics.clone());
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        self.move_steps(n_steps, None, Self::submit_steps)
    }

    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        check_vectors("noise", noise, self.system.n_beads())?;
        self.move_steps(1, Some(noise), Self::submit_steps)
    }

    fn profile(&mut self, n_steps: u64) -> Result<Vec<KernelTime>> {
        let mut times = Vec::new();
        self.move_steps(n_steps, None, |engine, n_steps, draw_noise| {
            times = engine.time_steps(n_steps, draw_noise)?;
            Ok(())
        })?;
        Ok(times)
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        if let Some(forces) = forces {
            check_vectors("external forces", forces, self.system.n_beads())?;
            self.buffers.external.write(&self.device, &quads(forces));
        }
        (self.has_external, self.forces_valid) = (forces.is_some(), false);
        Ok(())
    }

    fn potential(&mut self) -> Result<Vec<f64>> {
        self.energies(Terms::Total)
    }

    fn energies(&mut self, terms: Terms) -> Result<Vec<f64>> {
        if terms != Terms::Total || !self.forces_valid {
            // The priors' kernels leave energies where forces were.
            self.forces_valid = false;
            if let Terms::Prior(k) = terms {
                self.run_prior(k);
            } else {
                self.update_lists()?;
                self.write_params(if terms == Terms::Total { ALL_TERMS } else { NO_TERM }, false);
                run(&self.device, self.plan.energies());
            }
        }
        self.check_status()?;
        self.sum_energies()
    }

    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        match terms {
            Terms::Total => self.run_forces(ALL_TERMS, false)?,
            Terms::Network => self.run_forces(NO_TERM, false)?,
            Terms::Prior(k) => self.run_prior(k),
        }
        self.forces_valid = terms == Terms::Total && !self.has_external;
        self.check_status()?;
        Ok(Evaluation {
            energy: self.sum_energies()?,
            forces: triples(&self.buffers.force.read(&self.device)?),
            bead_energy: self
                .buffers
                .bead_energy
                .read(&self.device)?
                .into_iter()
                .map(f64::from)
                .collect(),
        })
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        self.update_lists()?;
        self.check_status()?;
        let counts = self.neighbor_counts(0..self.system.n_beads())?;
        let of_replica = |r| counts[self.system.beads(r)].iter().map(|n| u64::from(*n)).sum();
        Ok((0..self.system.n_replicas()).map(of_replica).collect())
    }

    fn memory(&self) -> Memory {
        let (allocated, reserved) = (self.device.allocated_bytes(), self.device.reserved_bytes());
        Memory { allocated, reserved }
    }

    fn list_builds(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.neighbor_builds()?.into_iter().map(u64::from).sum()))
    }
}
