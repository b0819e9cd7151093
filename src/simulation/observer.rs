//! What a run shows on its way, and what an observer may do about it.

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
    /// Å/ps, `[n_beads]`; without meaning for the overdamped integrator.
    pub velocities: &'a [[f64; 3]],
    /// kcal/mol, `[n_replicas]`.
    pub potential: &'a [f64],
    /// kcal/mol, `[n_replicas]`; NaN for the overdamped integrator.
    pub kinetic: &'a [f64],
    /// K, `[n_replicas]`; NaN for the overdamped integrator.
    pub temperature: &'a [f64],
}

/// What an observer asks of the run.
#[derive(Debug, Default)]
pub struct Control {
    pub(super) stop: bool,
    /// `Some` when they are to change.
    pub(super) external_forces: Option<Option<Vec<[f64; 3]>>>,
}

impl Control {
    /// Ends the run after this frame.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    /// Replaces the external forces from the next step on, kcal/mol/Å, `[n_beads]`; `None`
    /// removes them.
    pub fn set_external_forces(&mut self, forces: Option<Vec<[f64; 3]>>) {
        self.external_forces = Some(forces);
    }
}

/// Something that watches a run. A closure over a frame and a [`Control`] is one.
pub trait Observer {
    /// Called at every frame that is due.
    ///
    /// # Errors
    /// Whatever it returns ends the run.
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()>;

    /// Called a few times a second with the steps done, between frames too.
    fn progress(&mut self, _step: u64) {}
}

impl<F: FnMut(&Frame, &mut Control) -> Result<()>> Observer for F {
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()> {
        self(frame, control)
    }
}
