//! The GIL, and threads that outlive the interpreter.
//!
//! When the interpreter ends, it kills each daemon thread that wants the GIL, which crashes if code in
//! Rust is on the stack. So a thread that is in this module when the interpreter ends never wants the GIL
//! again: it waits until the process is gone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{ThreadId, current, park, sleep};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// The thread that ends the interpreter, once it does.
static LAST: OnceLock<ThreadId> = OnceLock::new();

/// Threads that run Python called from here, or are about to return to Python.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How long the end waits for these threads.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thread that holds or gets the GIL.
struct Inside;

impl Inside {
    /// Never returns once the interpreter ends.
    fn enter() -> Self {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        if LAST.get().is_some_and(|last| *last != current().id()) {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            loop {
                park();
            }
        }
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Calls a function without the GIL.
pub(crate) fn detach<T: Send>(py: Python<'_>, call: impl FnOnce() -> T + Send) -> T {
    let (result, _inside) = py.detach(|| {
        let result = call();
        (result, Inside::enter())
    });
    result
}

/// Calls a function with the GIL.
pub(crate) fn attach<T>(call: impl FnOnce(Python<'_>) -> T) -> T {
    let _inside = Inside::enter();
    Python::attach(call)
}

/// Called when the interpreter begins to end.
#[pyfunction]
fn end(py: Python<'_>) {
    // A second call is by the same thread.
    let _ = LAST.set(current().id());
    let start = Instant::now();
    py.detach(|| {
        while INSIDE.load(Ordering::SeqCst) > 0 && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(1));
        }
    });
}

/// Has the interpreter call [`end`].
pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(end, py)?,)).map(drop)
}
