//! Temperatures that change with the step.

use super::dynamics::{Dynamics, Integrator};
use super::state::State;
use crate::error::{Error, Result};
use crate::ramp::{check_order, value_at};
use crate::units;

impl Dynamics {
    /// The temperature of a thermostat that changes with the step, K, after `step` steps. `None`
    /// without [`Dynamics::anneal`].
    pub fn kelvin_at(&self, step: u64) -> Option<f64> {
        value_at(&self.anneal, step)
    }

    /// Gives the replicas that are not frozen the temperature of their step, if it changes.
    pub(crate) fn set_temperature(&self, state: &mut State) {
        let Some(kelvin) = self.kelvin_at(state.step) else { return };
        for (r, beta) in state.beta.iter_mut().enumerate() {
            if !state.frozen.contains_key(&r) {
                *beta = units::beta(kelvin);
            }
        }
    }

    /// Checks the temperatures that change with the step.
    pub(super) fn check_anneal(&self) -> Result<()> {
        let wrong = |found: String, expected: &str| Err(Error::invalid("anneal", found, expected));
        let points = &self.anneal;
        let text = |(step, kelvin): &(u64, f64)| format!("{step}:{kelvin}");
        match points.as_slice() {
            [] => return Ok(()),
            [point] => {
                return wrong(
                    text(point),
                    "at least two points; a constant temperature needs none",
                );
            }
            _ => {}
        }
        check_order("anneal", points)?;
        // Devices hold kT in f32.
        let is_good =
            |kelvin: f64| kelvin > 0.0 && ((units::BOLTZMANN * kelvin) as f32).is_normal();
        if let Some(point) = points.iter().find(|(_, kelvin)| !is_good(*kelvin)) {
            return wrong(text(point), "a temperature > 0 K that single precision holds");
        }
        if self.exchange.is_some() {
            return wrong("points".into(), "none, with replica exchange");
        }
        match self.integrator {
            Integrator::Nve => {
                wrong("points".into(), "none, for nve dynamics, which has no thermostat")
            }
            _ => Ok(()),
        }
    }
}
