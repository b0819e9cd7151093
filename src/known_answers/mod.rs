//! Known answers: does a device compute correctly?
//!
//! Small experiments run every kernel that a run can use, and their results are compared with
//! constants that the f64 reference has computed (`answers.txt`). A device takes milliseconds for
//! them, besides the compilation of its kernels.
//!
//! A vector quantity of a replica is compared by its norm and by four sums of all its components
//! with random signs, so that few numbers depend on every component. The error of a sum may be a
//! fraction of the norm: 1e-4 in f32, where the CPU and llvmpipe stay below 2e-5, and 1e-2 for results
//! of a network in mixed precision, ten times the bound of the errors of its forces. Counts must be
//! equal.

mod answers;
mod experiments;
mod system;

use self::answers::Answer;
use self::experiments::Factory;
use crate::engine::{Dynamics, Precision};
use crate::error::{Error, Result};

/// The experiments, by the kernels that they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Neighbor lists, energies and forces.
    Forces,
    /// Steps, biases, observables and minimization.
    Steps,
    /// Replica exchange.
    Exchange,
    /// Metadynamics in one variable and in two.
    Metadynamics,
    /// Multiple time steps, and temperatures that change with the step.
    Schedule,
}

impl Part {
    pub(crate) const ALL: [Part; 5] =
        [Part::Forces, Part::Steps, Part::Exchange, Part::Metadynamics, Part::Schedule];

    /// Whether a run with these dynamics uses the kernels of the part.
    pub(crate) fn is_used(self, dynamics: &Dynamics) -> bool {
        match self {
            Part::Forces | Part::Steps => true,
            Part::Exchange => dynamics.exchange.is_some(),
            Part::Metadynamics => dynamics.metadynamics.is_some(),
            Part::Schedule => dynamics.mts > 1 || !dynamics.anneal.is_empty(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Forces => "forces",
            Part::Steps => "steps",
            Part::Exchange => "exchange",
            Part::Metadynamics => "metadynamics",
            Part::Schedule => "schedule",
        }
    }

    fn run(self, make: &Factory) -> Result<Vec<Answer>> {
        match self {
            Part::Forces => experiments::forces(make),
            Part::Steps => experiments::steps(make),
            Part::Exchange => experiments::exchange(make),
            Part::Metadynamics => experiments::metadynamics(make),
            Part::Schedule => experiments::schedule(make),
        }
    }
}

/// Runs a part and compares it with the known answers. Returns the first quantity that is wrong, as
/// a message.
///
/// # Errors
/// Errors of the device, but for those that only a wrong result can cause.
pub(crate) fn find_fault(
    part: Part,
    precision: Precision,
    make: &Factory,
) -> Result<Option<String>> {
    match part.run(make) {
        Ok(found) => Ok(answers::first_difference(part.name(), &found, precision)),
        // The experiments are sound, so a device that says otherwise computes wrongly.
        Err(
            error @ (Error::Invalid { .. }
            | Error::BlowUp { .. }
            | Error::TooManyNeighbors { .. }
            | Error::OutOfMemory { .. }),
        ) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::engine::Filter;
    use crate::reference::Reference;

    #[test]
    fn the_cpu_gives_the_known_answers() {
        for filter in [Filter::Exact, Filter::TABLE] {
            let make: &Factory =
                &|system, dynamics| Ok(Box::new(Cpu::new(system, dynamics, filter)?));
            for part in Part::ALL {
                let fault = find_fault(part, Precision::F32, make).expect("the CPU runs");
                assert_eq!(fault, None, "{filter:?}");
            }
        }
    }

    /// The constants are those of the f64 reference. With `FLASHSCHNET_WRITE_ANSWERS` they are
    /// written anew.
    #[test]
    fn the_reference_gives_the_known_answers() {
        let make: &Factory = &|system, dynamics| {
            Ok(Box::new(Reference::with_filter(system, dynamics, Filter::Exact)?))
        };
        let mut text = String::new();
        for part in Part::ALL {
            text += &answers::write(part.name(), &part.run(make).expect("the reference runs"));
        }
        if std::env::var_os("FLASHSCHNET_WRITE_ANSWERS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/known_answers/answers.txt");
            std::fs::write(path, &text).expect("the file can be written");
        }
        // Libraries of mathematical functions differ in the last bits.
        answers::assert_same(&text, answers::KNOWN, 1e-7);
    }
}
