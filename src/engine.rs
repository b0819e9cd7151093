//! The contract of a backend: it holds the state of all replicas and advances it.

use crate::error::{Error, Result};
use crate::model::{FilterTable, SchNet};
use crate::system::System;

/// Positions and velocities of all replicas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Å, `[n_beads]` over all replicas.
    pub positions: Vec<[f64; 3]>,
    /// Å/ps, `[n_beads]`; ignored by the overdamped integrator.
    pub velocities: Vec<[f64; 3]>,
    /// Steps done.
    pub step: u64,
}

/// The equations of motion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Integrator {
    /// Langevin dynamics, BAOAB splitting (Leimkuhler and Matthews 2013). With h = dt,
    /// c = exp(−friction h): v += h/2 F/m; x += h/2 v; v = c v + √((1−c²)/(β m)) ξ; x += h/2 v;
    /// F(x); v += h/2 F/m.
    Langevin {
        /// 1/ps.
        friction: f64,
    },
    /// Velocity Verlet: v += h/2 F/m; x += h v; F(x); v += h/2 F/m.
    Nve,
    /// Brownian dynamics, D = 1/(β friction): x += F D h + √(2 D h) ξ; F(x).
    Overdamped {
        /// kcal ps/(mol Å²); the masses play no part.
        friction: f64,
    },
}

impl Integrator {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Integrator::Langevin { .. } => "langevin",
            Integrator::Nve => "nve",
            Integrator::Overdamped { .. } => "overdamped",
        }
    }
}

/// How to move: everything about the dynamics that is not the potential.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    /// The equations of motion.
    pub integrator: Integrator,
    /// Time step, ps.
    pub dt: f64,
    /// 1/(k_B T) of each replica, mol/kcal. `[n_replicas]`
    pub beta: Vec<f64>,
    /// Key of the random numbers.
    pub seed: u64,
    /// The number of each replica in the random numbers' key; a replica computed alone gets the
    /// same bits as among others if it keeps its number. `[n_replicas]`
    pub replica_ids: Vec<u32>,
}

impl Dynamics {
    /// Checks counts and ranges.
    pub fn check(&self, system: &System) -> Result<()> {
        if !(self.dt.is_finite() && self.dt > 0.0) {
            return Err(Error::invalid("dt", self.dt, "a time step > 0 ps"));
        }
        if let Integrator::Langevin { friction } | Integrator::Overdamped { friction } =
            self.integrator
            && !(friction.is_finite() && friction > 0.0)
        {
            return Err(Error::invalid("friction", friction, "a number > 0"));
        }
        let n_replicas = system.n_replicas();
        for (field, found) in [("beta", self.beta.len()), ("replica_ids", self.replica_ids.len())] {
            if found != n_replicas {
                return Err(Error::invalid(field, found, format!("{n_replicas}, one per replica")));
            }
        }
        match self.beta.iter().find(|beta| !(beta.is_finite() && **beta > 0.0)) {
            Some(beta) => Err(Error::invalid("beta", beta, "a finite inverse temperature > 0")),
            None => Ok(()),
        }
    }
}

/// How the filters of the network are evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// By the filter networks.
    Exact,
    /// From tables of cubic pieces built when the model is loaded ([`crate::model::FilterTable`]).
    Table {
        /// Largest error of a slope, relative to the largest slope of its block.
        tolerance: f64,
    },
}

impl Default for Filter {
    fn default() -> Self {
        Filter::TABLE
    }
}

impl Filter {
    /// Tables that keep every reference case within the tolerances of single precision.
    pub const TABLE: Filter = Filter::Table { tolerance: 1e-6 };

    /// The tables of a network, if these are tables.
    pub(crate) fn table(self, schnet: &SchNet) -> Result<Option<FilterTable>> {
        let Filter::Table { tolerance } = self else { return Ok(None) };
        let table = FilterTable::new(schnet, tolerance)?;
        log::info!(
            "filter tables: {} intervals, errors {:.1e} of the largest value and {:.1e} of the \
             largest slope",
            table.n_intervals(),
            table.value_error,
            table.slope_error
        );
        Ok(Some(table))
    }
}

/// What the network's weights and features are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// f32, and nothing else.
    #[default]
    F32,
    /// 16 bits with a scale per channel where they lose little, for fewer bytes: forces of the network
    /// within 1e-3 of their root mean square. A GPU's alone.
    Mixed,
}

impl Precision {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Mixed => "mixed",
        }
    }

    /// Tables of filters as close as the precision is.
    pub fn table(self) -> Filter {
        match self {
            Precision::F32 => Filter::TABLE,
            Precision::Mixed => Filter::Table { tolerance: 3e-5 },
        }
    }
}

/// How a backend evaluates the network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Numerics {
    /// How its filters are evaluated.
    pub filter: Filter,
    /// What it is stored in.
    pub precision: Precision,
}

impl From<Filter> for Numerics {
    fn from(filter: Filter) -> Self {
        Numerics { filter, precision: Precision::F32 }
    }
}

/// Which energies and forces to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// The sum of all terms.
    Total,
    /// The network alone.
    Network,
    /// Prior `k` of the model alone.
    Prior(usize),
}

/// Energies and forces of all replicas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// kcal/mol, `[n_replicas]`.
    pub energy: Vec<f64>,
    /// kcal/mol/Å, `[n_beads]` over all replicas; the gradient of `energy`, negative: the exact one,
    /// but in [`Precision::Mixed`].
    pub forces: Vec<[f64; 3]>,
    /// The network's energy of each bead, kcal/mol, `[n_beads]`; zero without the network.
    pub bead_energy: Vec<f64>,
}

/// Device memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// What the engine asked for.
    pub allocated: u64,
    /// What the allocator took from the device to serve it.
    pub reserved: u64,
}

/// Time on the device, and work, of one kernel call of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelTime {
    /// The kernel.
    pub kernel: &'static str,
    /// The call's number in the step, from 0.
    pub number: usize,
    /// Mean of the steps timed.
    pub microseconds: f64,
    /// Bytes requested of the device's memory or its caches; 0 where that is not known.
    pub bytes: u64,
    /// Floating point operations, a fused multiply-add being two; 0 where that is not known.
    pub flops: u64,
}

impl KernelTime {
    /// The calls of each kernel, in the order of its first one.
    pub fn by_kernel(times: &[KernelTime]) -> Vec<(&'static str, Vec<KernelTime>)> {
        let mut kernels: Vec<(&'static str, Vec<KernelTime>)> = Vec::new();
        for time in times {
            match kernels.iter_mut().find(|(kernel, _)| *kernel == time.kernel) {
                Some((_, calls)) => calls.push(*time),
                None => kernels.push((time.kernel, vec![*time])),
            }
        }
        kernels
    }
}

/// A backend at work on one system. All of it stays on the device between calls.
///
/// The state is set first; everything else refers to it.
pub trait Engine {
    /// What it runs on, in words.
    fn device(&self) -> String;

    /// Replaces positions, velocities and the step counter.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a count is wrong or a number is not finite.
    fn set_state(&mut self, state: &State) -> Result<()>;

    /// Reads the state back.
    ///
    /// # Errors
    /// [`Error::BlowUp`] if a replica left the range of numbers since the last good state, and
    /// [`Error::TooManyNeighbors`] if the network is not defined for it.
    fn state(&mut self) -> Result<State>;

    /// Sets how to move. Must be called before the first [`Engine::advance`].
    fn set_dynamics(&mut self, dynamics: &Dynamics) -> Result<()>;

    /// Moves every replica `n_steps` steps. Errors of the device may surface at the next read.
    ///
    /// How a run is cut into calls, and what is read in between, does not show in a single bit of
    /// the results: callers cut by the clock.
    fn advance(&mut self, n_steps: u64) -> Result<()>;

    /// Moves one step with the given standard normal numbers, `[n_beads]`, in place of the
    /// random generator's.
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()>;

    /// [`Engine::advance`], with the time on the device of every kernel call of a step, in order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a backend or device that cannot tell.
    fn profile(&mut self, n_steps: u64) -> Result<Vec<KernelTime>> {
        let _ = n_steps;
        let what = format!("timing kernels on {}", self.device());
        Err(Error::unsupported(what, "time whole steps"))
    }

    /// Forces added to the potential's in every step until replaced, kcal/mol/Å, `[n_beads]`;
    /// they do no work in the reported energies. `None` removes them.
    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()>;

    /// Potential energy of each replica in its present state, kcal/mol.
    fn potential(&mut self) -> Result<Vec<f64>>;

    /// Energy of all terms or of one, of each replica in its present state, kcal/mol: the bits of
    /// [`Engine::evaluate`] without its work for the forces.
    fn energies(&mut self, terms: Terms) -> Result<Vec<f64>>;

    /// Energies and forces of the present positions, without the external forces.
    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation>;

    /// Directed edges of each replica within the cutoff, in its present state. Zero without a
    /// network.
    fn n_edges(&mut self) -> Result<Vec<u64>>;

    /// Memory on the device.
    fn memory(&self) -> Memory;

    /// Neighbor lists built since the state was set, of all replicas together; `None` on a backend
    /// that does not count.
    fn list_builds(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
