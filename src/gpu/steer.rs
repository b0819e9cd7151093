//! Moving biases on a device: the paths of their centers, and the work.

use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::integrate::ramp_point;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::state::ReplicaState;
use crate::bias::Bias;
use crate::error::Result;
use crate::variable::Variable;

/// The paths of biases, at least one of which moves.
#[derive(Debug)]
pub(super) struct Steering {
    /// Place and number of the points of each bias, whether it is on a dihedral, 0; then all points.
    ramp: Buffer<[u32; 4]>,
}

/// The kernels of moving biases.
#[derive(Debug)]
pub(super) struct SteerStep {
    /// This one sets the centers of the present step.
    pub(super) here: Dispatch,
    /// This one sets, within a step, the centers at its end.
    pub(super) within: Dispatch,
    /// These add the work of a step before and after the drift, from the values at the positions there.
    pub(super) work: [Dispatch; 2],
}

impl Steering {
    /// The paths of checked biases; `None` if none moves.
    pub(super) fn new(device: &Device, all: &[Bias]) -> Result<Option<Self>> {
        if !all.iter().any(Bias::moves) {
            return Ok(None);
        }
        let (mut ramp, mut points) = (Vec::new(), Vec::new());
        for bias in all {
            let place = (all.len() + points.len()) as u32;
            let is_turn = matches!(bias.variable, Variable::Dihedral(_));
            ramp.push([place, bias.path().len() as u32, u32::from(is_turn), 0]);
            points.extend(bias.path().iter().map(|(step, center)| ramp_point(*step, *center)));
        }
        ramp.extend(points);
        Ok(Some(Steering { ramp: Buffer::from_slice(device, "ramp", &ramp)? }))
    }

    /// The kernels of a step. `scope` is that of the biases, which have `n_numbers` in all rows.
    pub(super) fn step(
        &self,
        device: &Device,
        state: &ReplicaState,
        scope: &Scope,
        n_numbers: usize,
    ) -> Result<SteerStep> {
        let scope = scope.and(&scope!(self; ramp));
        let centers = |within: bool| {
            let kernel = Kernel::new(device, "steer", &[("WITHIN", Value::Flag(within))])?;
            kernel.bind(device, &scope, kernel.groups_for(n_numbers))
        };
        let work = |after: bool| {
            let kernel = Kernel::new(device, "steer_work", &[("AFTER", Value::Flag(after))])?;
            kernel.bind(device, &scope, kernel.groups_for(state.n_work()))
        };
        let work = [work(false)?, work(true)?];
        Ok(SteerStep { here: centers(false)?, within: centers(true)?, work })
    }
}
