//! The temperatures on the command line.

use crate::{Error, units};
use clap::Args;

use crate::cli::options::real;

#[derive(Args)]
pub(super) struct TemperatureOptions {
    /// Temperature in K: one value, or one per replica, separated by commas; with
    /// --exchange-interval the temperatures of a ladder
    #[arg(long, value_parser = real, default_value = "300", value_delimiter = ',', value_name = "K")]
    temperature: Vec<f64>,
    /// The same as inverse temperatures 1/(k_B T) in mol/kcal, as mlcg has them
    #[arg(long, value_parser = real, value_delimiter = ',', value_name = "BETA")]
    #[arg(conflicts_with = "temperature")]
    beta: Vec<f64>,
    /// Temperatures in K that change with the step: linear between the points, constant before the
    /// first and after the last, as in 0:300,100000:500,200000:300. The temperature of step 0 gives
    /// the velocities at the start
    #[arg(long, value_parser = point, value_delimiter = ',', value_name = "STEP:K")]
    #[arg(conflicts_with_all = ["temperature", "beta", "exchange_interval"])]
    pub(super) anneal: Vec<(u64, f64)>,
}

/// Parses a step and a temperature.
fn point(text: &str) -> Result<(u64, f64), String> {
    let parse = |(step, kelvin): (&str, &str)| Some((step.parse().ok()?, kelvin.parse().ok()?));
    text.split_once(':').and_then(parse).ok_or_else(|| "a step and a temperature, STEP:K".into())
}

impl TemperatureOptions {
    /// The inverse temperatures.
    pub(super) fn beta(&self) -> crate::Result<Vec<f64>> {
        // Devices hold k_B T in f32.
        let is_good = |beta: f64| beta > 0.0 && ((1.0 / beta) as f32).is_normal();
        if let Some(bad) = self.beta.iter().find(|beta| !is_good(**beta)) {
            let expected = "1/(k_B T) > 0 that single precision holds";
            return Err(Error::invalid("beta", bad, expected));
        }
        if !self.beta.is_empty() {
            return Ok(self.beta.clone());
        }
        let kelvin = &self.temperature;
        if let Some(bad) = kelvin.iter().find(|kelvin| !is_good(units::beta(**kelvin))) {
            let expected = "a temperature > 0 K that single precision holds";
            return Err(Error::invalid("temperature", bad, expected));
        }
        Ok(kelvin.iter().map(|kelvin| units::beta(*kelvin)).collect())
    }

    /// The temperatures in K, for a person.
    pub(super) fn kelvin(&self) -> String {
        if !self.anneal.is_empty() {
            let points =
                self.anneal.iter().map(|(step, kelvin)| format!("{kelvin} at step {step}"));
            return points.collect::<Vec<_>>().join(", ");
        }
        let kelvin: Vec<String> = match self.beta.as_slice() {
            [] => self.temperature.iter().map(f64::to_string).collect(),
            beta => beta.iter().map(|beta| units::kelvin(*beta).to_string()).collect(),
        };
        kelvin.join(", ")
    }
}
