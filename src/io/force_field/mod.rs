//! TorchMD's force fields and topologies: a YAML file with parameters by atom type, and a PSF file
//! with the atom types and the tuples of a molecule.
//!
//! [`load`](load()) loads a network with both. [`priors`](priors()) makes the prior terms that
//! torchmd computes from both. A molecule comes from a PSF file ([`Psf::read`]) or from bead types
//! and chains ([`Psf::of_topology`]).

mod field;
mod kinds;
mod look_up;
mod molecule;
mod priors;
mod psf;
mod residues;

pub use self::field::ForceField;
pub(crate) use self::field::is_force_field;
pub use self::molecule::{check_network, has_terms, join, load, specialise};
pub use self::priors::{Choice, Exclusions, TERMS, priors};
pub use self::psf::Psf;
pub use self::residues::type_of;
pub(crate) use self::residues::{Residue, known_names};
