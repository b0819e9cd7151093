//! Replicas in motion.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, TryLockError};

use flashschnet::checkpoint::Identity;
use flashschnet::engine::{Minimization, State, Terms};
use flashschnet::simulation::{Energies, Observer, Reset, Wants};
use flashschnet::{Result, cli, units};
use numpy::{PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::arrays::{array, numbers, vectors};
use crate::called::{Callback, Function, Raised, Reporter, Signals};
use crate::error::{exception, of_program};
use crate::exit::{attach, detach};
use crate::frame;
use crate::inputs::{Model, Structures, given};

/// Replicas in motion. While a call works, every other call is an error.
#[pyclass(frozen, module = "flashschnet._native")]
pub(crate) struct Simulation {
    inner: Mutex<Inner>,
    raised: Raised,
    /// The function of the force callback.
    function: Mutex<Function>,
    /// The number of beads of each replica.
    #[pyo3(get)]
    sizes: Vec<usize>,
    /// The names of the terms.
    #[pyo3(get)]
    terms: Vec<String>,
    /// Time step, ps.
    #[pyo3(get)]
    dt: f64,
    #[pyo3(get)]
    backend: &'static str,
    #[pyo3(get)]
    precision: &'static str,
    #[pyo3(get)]
    device: String,
}

pub(crate) struct Inner {
    pub(crate) simulation: flashschnet::Simulation,
    identity: Identity,
}

/// A state with all that decides the bits.
#[pyclass(frozen, module = "flashschnet._native")]
pub(crate) struct Checkpoint(Arc<flashschnet::Checkpoint>);

#[pymethods]
impl Checkpoint {
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        let read = flashschnet::Checkpoint::from_bytes(bytes).map_err(exception)?;
        Ok(Checkpoint(Arc::new(read)))
    }

    /// The newest whole checkpoint of a folder.
    #[staticmethod]
    fn latest(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let found = detach(py, || flashschnet::Checkpoint::latest(&folder, |_| Ok(())));
        let (found, skipped) = found.map_err(exception)?;
        if let Some(error) = skipped {
            let warnings = py.import("warnings")?;
            warnings
                .call_method1("warn", (format!("{error}; the checkpoint before it is used"),))?;
        }
        Ok(Checkpoint(Arc::new(found)))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = detach(py, || self.0.to_bytes()).map_err(exception)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Writes it to a folder, where the one before stays.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        detach(py, || self.0.save(&folder)).map_err(exception)
    }

    #[getter]
    fn step(&self) -> u64 {
        self.0.state.step
    }

    #[getter]
    fn time(&self) -> f64 {
        self.0.state.step as f64 * self.0.dynamics.dt
    }
}

#[pymethods]
impl Simulation {
    /// The simulation of a command line of `run`.
    #[new]
    #[pyo3(signature = (arguments, system))]
    fn new(
        py: Python<'_>,
        arguments: Vec<OsString>,
        system: Option<(Model, Structures)>,
    ) -> PyResult<Self> {
        let made = detach(py, || cli::simulation(arguments, given(system)));
        Self::made(py, made)
    }

    /// The simulation that continues from a checkpoint, with a command line of `energy`.
    #[staticmethod]
    #[pyo3(signature = (checkpoint, arguments, system))]
    fn restore(
        py: Python<'_>,
        checkpoint: &Checkpoint,
        arguments: Vec<OsString>,
        system: Option<(Model, Structures)>,
    ) -> PyResult<Self> {
        let made = detach(py, || cli::restore(arguments, given(system), &checkpoint.0));
        Self::made(py, made)
    }

    /// Runs, with reporters: the steps between their frames, an `Output` or a function of a frame, and
    /// whether its frames have forces and energies of terms. `progress` is called with the number of
    /// steps about twice a second. Returns the number of steps done.
    #[pyo3(signature = (n_steps, reporters, progress))]
    fn run(
        &self,
        py: Python<'_>,
        n_steps: u64,
        reporters: Vec<(u64, Py<PyAny>, bool, bool)>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<u64> {
        let mut all: Vec<(u64, Reporter)> = Vec::new();
        for (every, called, forces, terms) in reporters {
            let wants = Wants { forces, terms };
            all.push((every, Reporter::new(called.into_bound(py), wants, &self.raised)));
        }
        let mut signals = Signals { progress, raised: self.raised.clone() };
        self.with(py, |Inner { simulation, .. }| {
            // No frame is due at the last of all multiples of an outer step.
            let mts = u64::from(simulation.dynamics().mts);
            let mut observers: Vec<(u64, &mut dyn Observer)> =
                vec![(u64::MAX / mts * mts, &mut signals)];
            for (every, reporter) in &mut all {
                observers.push((*every, reporter));
            }
            let done = simulation.run_among(n_steps, observers)?;
            let exchange = simulation.dynamics().exchange.clone();
            for (exchange, reporter) in exchange.iter().cycle().zip(&all) {
                if let Some(output) = reporter.1.files() {
                    let exchanged = simulation.state()?.exchanged;
                    output.lock().summarize(exchange, &exchanged)?;
                }
            }
            Ok(done)
        })
    }

    #[getter]
    fn step(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |of| Ok(of.simulation.step()))
    }

    fn positions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.with(py, |of| of.simulation.positions())?)
    }

    fn set_positions(&self, py: Python<'_>, positions: PyReadonlyArray2<f64>) -> PyResult<()> {
        let positions = vectors(&positions)?;
        self.with(py, |of| of.simulation.set_positions(positions))
    }

    fn velocities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.with(py, |of| of.simulation.velocities())?)
    }

    fn set_velocities(&self, py: Python<'_>, velocities: PyReadonlyArray2<f64>) -> PyResult<()> {
        let velocities = vectors(&velocities)?;
        self.with(py, |of| of.simulation.set_velocities(velocities))
    }

    /// Temperatures of the thermostats, K.
    fn temperatures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let State { beta, .. } = self.with(py, |of| of.simulation.state())?;
        Ok(numbers(py, beta.into_iter().map(units::kelvin).collect()))
    }

    fn set_temperatures(&self, py: Python<'_>, kelvin: Vec<f64>) -> PyResult<()> {
        self.with(py, |of| of.simulation.set_temperatures(&kelvin))
    }

    #[pyo3(signature = (forces))]
    fn set_external_forces(
        &self,
        py: Python<'_>,
        forces: Option<PyReadonlyArray2<f64>>,
    ) -> PyResult<()> {
        let forces = forces.as_ref().map(vectors).transpose()?;
        self.with(py, |of| of.simulation.set_external_forces(forces))
    }

    /// Has a function add forces in every step: it gets positions, and returns energies and forces.
    #[pyo3(signature = (function))]
    fn set_force_callback(&self, py: Python<'_>, function: Option<Py<PyAny>>) -> PyResult<()> {
        let new = Function::new(Mutex::new(function));
        let has_one = new.lock().is_ok_and(|function| function.is_some());
        let callback = has_one.then(|| {
            let (function, raised) = (Arc::clone(&new), self.raised.clone());
            Box::new(Callback { function, raised }) as _
        });
        self.with(py, |of| of.simulation.set_force_callback(callback))?;
        // The old one is dropped without the lock: it may be the last reference to anything.
        let old = self.function.lock().map(|mut function| std::mem::replace(&mut *function, new));
        drop(old);
        Ok(())
    }

    /// Shows the garbage collector the function that only this simulation holds.
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        let Ok(function) = self.function.try_lock() else { return Ok(()) };
        let Ok(function) = function.try_lock() else { return Ok(()) };
        function.as_ref().map_or(Ok(()), |function| visit.call(function))
    }

    fn __clear__(&self) {
        let function = self.function.try_lock().map(|function| Arc::clone(&function));
        let taken = function.ok().and_then(|function| function.try_lock().ok()?.take());
        drop(taken);
    }

    /// Potential and kinetic energies, temperatures of the kinetic energies, and energies of the
    /// force callback.
    fn energies<'py>(&self, py: Python<'py>) -> PyResult<[Bound<'py, PyArray1<f64>>; 4]> {
        let Energies { potential, kinetic, temperature, callback, .. } =
            self.with(py, |of| of.simulation.energies())?;
        Ok([potential, kinetic, temperature, callback].map(|of| numbers(py, of)))
    }

    /// Forces of all terms.
    fn forces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.with(py, |of| of.simulation.evaluate(Terms::Total))?.forces)
    }

    /// Values of the observables, by name.
    fn observables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (names, values) = self.with(py, |of| {
            let names = of.simulation.observables().iter().map(|(name, _)| name.clone());
            Ok((names.collect::<Vec<_>>(), of.simulation.observe()?))
        })?;
        let found = PyDict::new(py);
        for (name, values) in names.into_iter().zip(values) {
            found.set_item(name, numbers(py, values))?;
        }
        Ok(found)
    }

    /// Value and energy of each bias, by name.
    fn biases<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        frame::named(py, &self.with(py, |of| of.simulation.bias_values())?)
    }

    /// The frozen replicas.
    fn frozen(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        let State { frozen, .. } = self.with(py, |of| of.simulation.state())?;
        Ok(frozen.into_keys().collect())
    }

    /// Exchanges positions and velocities of pairs of replicas.
    fn swap(&self, py: Python<'_>, pairs: Vec<[usize; 2]>) -> PyResult<()> {
        self.with(py, |of| of.simulation.swap(&pairs))
    }

    /// Puts replicas back to their last good states, with new random velocities.
    fn reset(&self, py: Python<'_>, replicas: Vec<usize>) -> PyResult<()> {
        let resets: Vec<Reset> = replicas.into_iter().map(Reset::last_good).collect();
        self.with(py, |of| of.simulation.reset(&resets))
    }

    /// Minimizes. Returns whether each replica has converged.
    fn minimize(&self, py: Python<'_>, most_steps: u32, tolerance: f64) -> PyResult<Vec<bool>> {
        let minimization = Minimization { most_steps, tolerance };
        let results = self.with(py, |of| of.simulation.minimize(&minimization))?;
        Ok(results.iter().map(|of| of.is_converged).collect())
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<Checkpoint> {
        let made = self.with(py, |of| {
            let Inner { simulation, identity } = of;
            flashschnet::Checkpoint::new(simulation, identity)
        })?;
        Ok(Checkpoint(Arc::new(made)))
    }

    /// Goes on from the state of a checkpoint of the same model and structures.
    fn set_state(&self, py: Python<'_>, checkpoint: &Checkpoint) -> PyResult<()> {
        self.with(py, |of| {
            of.identity.check(&checkpoint.0.identity)?;
            of.simulation.set_state(&checkpoint.0.state)
        })
    }
}

impl Simulation {
    fn made(
        py: Python<'_>,
        made: anyhow::Result<(flashschnet::Simulation, Identity)>,
    ) -> PyResult<Self> {
        let (mut simulation, identity) = made.map_err(of_program)?;
        let system = simulation.system();
        let sizes = (0..system.n_replicas()).map(|r| system.beads(r).len()).collect();
        let terms = system.term_names();
        let dt = simulation.dynamics().dt;
        let (backend, precision) = (identity.backend.name(), identity.numerics.precision.name());
        let device = detach(py, || simulation.engine().device().to_string());
        let inner = Mutex::new(Inner { simulation, identity });
        let (raised, function) = Default::default();
        Ok(Simulation { inner, raised, function, sizes, terms, dt, backend, precision, device })
    }

    /// Calls a function without the GIL. If it had Python raise an exception, that is the result.
    pub(crate) fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut Inner) -> Result<T> + Send,
    ) -> PyResult<T> {
        // A reporter or a force callback that waited for the call that calls it would wait for ever.
        let mut guard = match self.inner.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(busy()),
        };
        let inner = &mut *guard;
        let result = detach(py, || call(inner));
        match self.raised.take() {
            Some(exception) => Err(exception),
            None => result.map_err(exception),
        }
    }
}

fn busy() -> PyErr {
    attach(|py| {
        let message = "the simulation works, in this thread or another; reporters and force callbacks cannot use it";
        let make = || py.import("flashschnet.errors")?.getattr("BusyError")?.call1((message,));
        make().map_or_else(|error| error, PyErr::from_value)
    })
}
