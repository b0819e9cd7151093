//! A CGSchNet model: a SchNet network plus classical prior terms, and the files that hold it.

pub mod filter_table;
pub mod import;
pub mod load;
pub mod native;
pub mod pickle;
pub mod prior;
pub mod radial;
pub mod schnet;

pub use filter_table::FilterTable;
pub use load::{load_model_and_structures, load_structures};
pub use prior::{Prior, PriorForm, PriorParameters};
pub use radial::{Cutoff, RadialBasis, RadialFunctions};
pub use schnet::{Activation, Interaction, Linear, SchNet};

use crate::error::{Error, Result};

/// The energy term name of the network.
pub const SCHNET: &str = "SchNet";

/// A CGSchNet model. The energy is the sum of the network's and of every prior term's.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The network; a prior-only model has none.
    pub schnet: Option<SchNet>,
    /// The prior terms, in the order in which they are summed and reported.
    pub priors: Vec<Prior>,
}

impl Model {
    /// Checks every shape and value.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        if let Some(schnet) = &self.schnet {
            schnet.check()?;
        }
        for (i, prior) in self.priors.iter().enumerate() {
            prior.check()?;
            if prior.name == SCHNET || self.priors[..i].iter().any(|other| other.name == prior.name)
            {
                return Err(Error::invalid("prior name", &prior.name, "a name used once"));
            }
        }
        if self.schnet.is_none() && self.priors.is_empty() {
            return Err(Error::invalid("model", "no network and no priors", "at least one term"));
        }
        Ok(())
    }
}
