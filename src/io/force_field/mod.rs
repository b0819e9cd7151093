//! TorchMD's force fields and topologies: a YAML file with parameters by atom type, and a PSF file
//! with the atom types and the tuples of a molecule.
//!
//! [`priors`](priors()) makes the prior terms that torchmd computes from both.

mod field;
mod look_up;
mod priors;
mod psf;

pub use self::field::ForceField;
pub use self::priors::{Choice, Exclusions, TERMS, priors};
pub(crate) use self::psf::residue_of;
pub use self::psf::{Psf, type_of};
