//! Temperatures that change with the step.

use super::dynamics::{Dynamics, Integrator};
use super::state::State;
use crate::error::{Error, Result};
use crate::units;

impl Dynamics {
    /// The temperature of a thermostat that changes with the step, K, after `step` steps. `None`
    /// without [`Dynamics::anneal`].
    pub fn kelvin_at(&self, step: u64) -> Option<f64> {
        let points = &self.anneal;
        let next = points.partition_point(|(at, _)| *at <= step);
        let before = next.checked_sub(1).and_then(|k| points.get(k));
        Some(match (before, points.get(next)) {
            (Some((from, low)), Some((to, high))) => {
                low + (high - low) * ((step - from) as f64 / (to - from) as f64)
            }
            (Some((_, kelvin)), None) | (None, Some((_, kelvin))) => *kelvin,
            (None, None) => return None,
        })
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
                return wrong(text(point), "at least two points; --temperature has one value");
            }
            _ => {}
        }
        if let Some([a, b]) = points.array_windows().find(|[a, b]| a.0 >= b.0) {
            let found = format!("{}, {}", text(a), text(b));
            return wrong(found, "steps that increase from point to point");
        }
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
