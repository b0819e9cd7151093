//! The samples as an ensemble: their states, and the states whose averages are told.

use crate::analysis::statistics::blocks::{Blocks, Estimate};
use crate::analysis::statistics::mbar::{Mbar, Potentials};
use crate::{Error, Result, units};

use super::columns::Columns;
use super::log::Log;
use super::options::Analyze;
use super::samples::Samples;
use super::source::{Source, State};

/// How averages of unbiased states at given temperatures follow from the samples.
enum Weighting {
    /// All samples are from one state without bias.
    Equal,
    /// Energies of all samples in all states, as β_k U(x_n).
    Temperatures,
    /// Reduced potentials β_k (U(x_n) + W_k(x_n)), sample after sample.
    Matrix(Vec<f64>),
    /// They do not follow, for this reason.
    Unknown(String),
}

/// The weights of the samples.
pub(super) enum Weighing<'a> {
    Equal,
    Mbar(Mbar<'a>),
    Unknown,
}

/// The samples, and what can be told of them.
pub(super) struct Ensemble<'a> {
    pub(super) source: &'a Source,
    pub(super) samples: Samples,
    /// The names of the columns of the samples.
    pub(super) names: Vec<&'static str>,
    pub(super) blocks: Blocks,
    weighting: Weighting,
    /// 1/(k_B T) of each state, mol/kcal; of the states of known temperature.
    betas: Vec<f64>,
    /// The temperatures of the states without repetition, ascending, K.
    pub(super) temperatures: Vec<f64>,
    /// The coordinates of free energies.
    pub(super) profiles: Vec<Vec<usize>>,
    /// The time between samples, ps.
    pub(super) interval: Option<f64>,
}

impl<'a> Ensemble<'a> {
    /// The samples as an ensemble.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a free energy that cannot be told although it is asked for.
    pub(super) fn new(
        options: &Analyze,
        source: &'a Source,
        columns: &Columns,
        mut samples: Samples,
    ) -> Result<Self> {
        let n_extra = usize::from(columns.core.is_some());
        let has_tica = samples.columns.len() > columns.names.len() + n_extra;
        let profiles = columns.profiles(options, has_tica)?;
        let states = &source.states;
        let betas: Option<Vec<f64>> = states.iter().map(State::beta).collect();
        let mut temperatures: Vec<f64> = states.iter().filter_map(|of| of.temperature).collect();
        temperatures.sort_by(f64::total_cmp);
        temperatures.dedup();
        let is_biased = !samples.biases.is_empty();
        let weighting = match (&source.no_energies, &betas) {
            (Some(reason), _) => Weighting::Unknown(reason.clone()),
            (None, _) if states.len() == 1 && !is_biased => Weighting::Equal,
            (None, None) => Weighting::Unknown("there are states of unknown temperature".into()),
            (None, Some(_)) if !is_biased => Weighting::Temperatures,
            (None, Some(betas)) => {
                let mut reduced = std::mem::take(&mut samples.biases);
                let rows = reduced.chunks_exact_mut(betas.len()).zip(&samples.potential);
                for (row, potential) in rows {
                    row.iter_mut().zip(betas).for_each(|(x, beta)| *x = beta * (*x + potential));
                }
                Weighting::Matrix(reduced)
            }
        };
        let interval = source.interval().map(|interval| interval * samples.every as f64);
        Ok(Ensemble {
            source,
            names: columns.all(has_tica),
            blocks: Blocks::of_samples(&samples.block),
            samples,
            weighting,
            betas: betas.unwrap_or_default(),
            temperatures,
            profiles,
            interval,
        })
    }

    /// The weights of the samples. If there are none, the log tells why.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are none although a free energy is asked for.
    pub(super) fn weigh(&self, options: &Analyze, log: &mut Log) -> Result<Weighing<'_>> {
        let potentials = match &self.weighting {
            Weighting::Equal => return Ok(Weighing::Equal),
            Weighting::Unknown(reason) => return unknown(reason, options, log),
            Weighting::Temperatures => {
                Potentials::Temperatures { betas: &self.betas, energies: &self.samples.potential }
            }
            Weighting::Matrix(reduced) => Potentials::Matrix { reduced, states: self.betas.len() },
        };
        match Mbar::new(potentials, &self.samples.state, &self.blocks) {
            Ok(mbar) => {
                let n = mbar.unknown_samples();
                if n > 0 {
                    let all = self.samples.state.len();
                    log.warn(format!(
                        "no weight for samples without a finite potential energy: {n} of {all}"
                    ));
                }
                Ok(Weighing::Mbar(mbar))
            }
            Err(error) => unknown(&error.to_string(), options, log),
        }
    }

    /// Whether biases act in a state.
    pub(super) fn is_biased(&self) -> bool {
        matches!(self.weighting, Weighting::Matrix(_))
    }

    /// The means of all columns of the samples without biases, at each of the temperatures.
    pub(super) fn means(&self, mbar: &Mbar) -> Vec<Vec<Option<Estimate>>> {
        let columns = &self.samples.columns;
        let all = mbar.jackknife(|weights| {
            let at = |kelvin: &f64| {
                let beta = units::beta(*kelvin);
                let weights = weights.at(|n| beta * self.samples.potential[n]);
                let mean = |of: &Vec<f64>| {
                    let known = of.iter().zip(&weights).filter(|(x, w)| x.is_finite() && **w > 0.0);
                    let add = |all: (f64, f64), (x, w): (&f64, &f64)| (all.0 + x * w, all.1 + w);
                    let (sum, total) = known.fold((0.0, 0.0), add);
                    sum / total
                };
                columns.iter().map(mean).collect::<Vec<f64>>()
            };
            self.temperatures.iter().flat_map(at).collect()
        });
        all.chunks_exact(columns.len()).map(<[_]>::to_vec).collect()
    }

    /// The temperatures of averages and free energies without biases; `None` for an unknown one.
    pub(super) fn targets(&self) -> Vec<Option<f64>> {
        match self.temperatures.is_empty() {
            true => vec![None],
            false => self.temperatures.iter().copied().map(Some).collect(),
        }
    }
}

/// Tells why there are no weights.
fn unknown<'a>(reason: &str, options: &Analyze, log: &mut Log) -> Result<Weighing<'a>> {
    log.warn(format!(
        "no free energies and no melting curve: {reason}; averages are those of the frames as they are"
    ));
    match options.free_energy.is_empty() {
        true => Ok(Weighing::Unknown),
        false => {
            let field = options.free_energy.join(" ");
            Err(Error::invalid("free-energy", field, format!("none: {reason}")))
        }
    }
}
