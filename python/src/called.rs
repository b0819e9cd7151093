//! Python code that a simulation calls: reporters, progress and force callbacks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flashschnet::engine::{CallbackForces, ForceCallback};
use flashschnet::simulation::{Control, Frame, Observer, Wants};
use flashschnet::{Error, Result};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::arrays::{array, vectors};
use crate::exit::attach;
use crate::frame;
use crate::output::Output;

/// The first exception that Python code raised within a call.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    fn lock(&self) -> MutexGuard<'_, Option<PyErr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Option<PyErr> {
        self.lock().take()
    }

    fn keep(&self, exception: PyErr) {
        self.lock().get_or_insert(exception);
    }
}

/// Stops a run when Python has a signal, for example Ctrl-C, and shows its progress.
pub(crate) struct Signals {
    pub(crate) progress: Option<Py<PyAny>>,
    pub(crate) raised: Raised,
}

impl Observer for Signals {
    fn frame(&mut self, _: &Frame, _: &mut Control) -> Result<()> {
        Ok(())
    }

    fn is_passive(&self) -> bool {
        true
    }

    fn progress(&mut self, step: u64, control: &mut Control) -> Result<()> {
        let looked = attach(|py| {
            py.check_signals()?;
            self.progress.as_ref().map_or(Ok(()), |show| show.call1(py, (step,)).map(drop))
        });
        if let Err(exception) = looked {
            self.raised.keep(exception);
            control.stop();
        }
        Ok(())
    }
}

/// Passes frames on.
pub(crate) struct Reporter {
    to: To,
    raised: Raised,
}

enum To {
    Files(Py<Output>),
    Function(Py<PyAny>, Wants),
}

impl Reporter {
    /// One that passes frames to an `Output`, or to a function that wants what is told.
    pub(crate) fn new(called: Bound<PyAny>, wants: Wants, raised: &Raised) -> Self {
        let to = match called.cast_into::<Output>() {
            Ok(output) => To::Files(output.unbind()),
            Err(function) => To::Function(function.into_inner().unbind(), wants),
        };
        Reporter { to, raised: raised.clone() }
    }

    /// The files that it writes.
    pub(crate) fn files(&self) -> Option<&Output> {
        match &self.to {
            To::Files(output) => Some(output.get()),
            To::Function(..) => None,
        }
    }
}

impl Observer for Reporter {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        let function = match &self.to {
            To::Files(output) => return output.get().lock().write(frame),
            To::Function(function, _) => function,
        };
        let copy = frame::Frame::copy(frame);
        attach(|py| function.call1(py, (copy,))).map(drop).map_err(|exception| {
            self.raised.keep(exception);
            Error::invalid("reporter", "an exception", "none")
        })
    }

    fn is_passive(&self) -> bool {
        true
    }

    fn wants(&self) -> Wants {
        match &self.to {
            To::Files(output) => output.get().lock().options().wants(),
            To::Function(_, wants) => *wants,
        }
    }

    fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<()> {
        match &self.to {
            To::Files(output) => output.get().lock().exchanged(step, label),
            To::Function(..) => Ok(()),
        }
    }
}

/// A function of positions, `[n_beads]` over all replicas, that returns energies and forces. The
/// simulation shares it with its engine, so that Python's garbage collector finds it and can take it.
pub(crate) type Function = Arc<Mutex<Option<Py<PyAny>>>>;

/// A force callback of an engine.
pub(crate) struct Callback {
    pub(crate) function: Function,
    pub(crate) raised: Raised,
}

impl ForceCallback for Callback {
    fn evaluate(&mut self, positions: &[[f64; 3]]) -> Result<CallbackForces> {
        let found = attach(|py| {
            let function = {
                let held = self.function.lock().unwrap_or_else(PoisonError::into_inner);
                held.as_ref().map(|function| function.clone_ref(py))
            };
            let function = function.ok_or_else(|| PyRuntimeError::new_err("it was collected"))?;
            let found = function.bind(py).call1((array(py, positions.to_vec())?,))?;
            let (energy, forces): (PyReadonlyArray1<f64>, PyReadonlyArray2<f64>) =
                found.extract()?;
            let (energy, forces) = (energy.as_slice()?.to_vec(), vectors(&forces)?.to_vec());
            Ok(CallbackForces { energy, forces })
        });
        found.map_err(|exception| {
            self.raised.keep(exception);
            Error::invalid("force callback", "an exception", "none")
        })
    }
}
