//! A CGSchNet model: a SchNet network plus classical prior terms.

pub(crate) mod filter;
pub mod filter_table;
pub(crate) mod fold;
pub mod prior;
pub mod radial;
pub mod schnet;
mod tabulated;

pub use filter_table::FilterTable;
pub use prior::{Prior, PriorForm, PriorParameters};
pub use radial::{Cutoff, RadialBasis, RadialFunctions};
pub use schnet::{Activation, Constants, Interaction, Linear, SchNet};
pub(crate) use tabulated::Tabulated;

use std::collections::HashSet;

use crate::error::{Error, Result, check_name};

/// The name of the network's energy term.
pub const SCHNET: &str = "SchNet";

/// A CGSchNet model. Its energy is the sum of the energies of the network and of all prior terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The network; a prior-only model has none.
    pub schnet: Option<SchNet>,
    /// The prior terms, in the order in which they are summed and reported.
    pub priors: Vec<Prior>,
}

impl Model {
    /// Checks all shapes and values.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong field.
    pub fn check(&self) -> Result<()> {
        if let Some(schnet) = &self.schnet {
            schnet.check()?;
        }
        let mut names = HashSet::from([SCHNET]);
        for prior in &self.priors {
            check_name("prior name", &prior.name)?;
            prior.check()?;
            if !names.insert(&prior.name) {
                return Err(Error::invalid("prior name", &prior.name, "a unique name"));
            }
        }
        if self.schnet.is_none() && self.priors.is_empty() {
            return Err(Error::invalid("model", "no network and no priors", "at least one term"));
        }
        Ok(())
    }
}
