//! Observers of a run: the frames they receive, and how they can control the run.

use crate::error::Result;

/// The replicas at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame<'a> {
    /// Steps done.
    pub step: u64,
    /// ps.
    pub time: f64,
    /// Å, `[n_beads]` over all replicas.
    pub positions: &'a [[f64; 3]],
    /// Å/ps, `[n_beads]`; meaningless for the overdamped integrators.
    pub velocities: &'a [[f64; 3]],
    /// kcal/mol, `[n_replicas]`.
    pub potential: &'a [f64],
    /// kcal/mol, `[n_replicas]`; NaN for the overdamped integrators.
    pub kinetic: &'a [f64],
    /// K, `[n_replicas]`; NaN for the overdamped integrators.
    pub temperature: &'a [f64],
}

/// The requests of an observer to the run.
#[derive(Debug, Default)]
pub struct Control {
    pub(super) stop: bool,
    /// `Some` if the observer changes them.
    pub(super) external_forces: Option<Option<Vec<[f64; 3]>>>,
}

impl Control {
    /// Ends the run after this frame.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    /// Replaces the external forces from the next step on, kcal/mol/Å, `[n_beads]` over all
    /// replicas; `None` removes them.
    pub fn set_external_forces(&mut self, forces: Option<Vec<[f64; 3]>>) {
        self.external_forces = Some(forces);
    }
}

/// Receives the frames of a run. Closures that take a [`Frame`] and a [`Control`] implement it.
pub trait Observer {
    /// Called at every step that is a multiple of the interval of this observer.
    ///
    /// # Errors
    /// Any error ends the run, which returns it.
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()>;

    /// Called with the number of steps done: before every frame, and between frames about twice a
    /// second, more often at the start of a run.
    fn progress(&mut self, _step: u64) {}
}

impl<F: FnMut(&Frame, &mut Control) -> Result<()>> Observer for F {
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()> {
        self(frame, control)
    }
}
