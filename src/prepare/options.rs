//! The choices of a user.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::atoms::ModelChoice;
use super::mapping::Mapping;
use super::names::AminoAcid;
use crate::io::force_field::ForceField;

/// Where a chain is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Breaks {
    /// An error.
    #[default]
    Refuse,
    /// Two chains.
    Split,
    /// A bond, however long, as mlcg-tk makes it.
    Bond,
}

/// Options of [`super::prepare`]. The default refuses everything that is not certain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The mapping; `None` takes that of the model's priors.
    pub mapping: Option<Mapping>,
    /// The force field that makes the priors of each molecule, for networks of TorchMD; `None`
    /// takes the priors of the model.
    pub force_field: Option<Arc<ForceField>>,
    /// The letters of the chains to take; empty takes all. `_` is a chain without a letter.
    pub chains: Vec<String>,
    /// The models to take.
    pub model: ModelChoice,
    /// Where a chain is broken.
    pub breaks: Breaks,
    /// Residues by name, and the amino acids that they are to be treated as.
    pub map: BTreeMap<String, AminoAcid>,
    /// Whether a CB that is missing is placed by the geometry of an L amino acid.
    pub rebuild_cb: bool,
    /// Whether an O that is missing is placed by the geometry of a peptide bond.
    pub rebuild_o: bool,
    /// Whether tuples without parameters are allowed. Their energy is zero.
    pub allow_missing_priors: bool,
}
