//! The native files: safetensors with hyperparameters in the header.
//!
//! There are two formats here, one for models and one for structures; [`crate::checkpoint`] has a
//! third. All have three strings in the
//! `__metadata__` of the header: `format`, `version` (`1`) and `hyperparameters`, which is JSON.
//! Structures can have a fourth one, `provenance`, which says where they come from and is not read.
//! Fields, tensors and versions that are not listed here are refused. A tensor of real numbers is
//! `F32` if `F32` represents every value exactly, and `F64` otherwise. A tensor of bead types,
//! beads or indices is `U32`. Matrices are row-major, (out, in). Units are those of
//! [`crate::units`].
//!
//! # `flashschnet-model`
//!
//! The JSON has the fields `schnet` and `priors`. `schnet` is `null` or an object with these
//! fields:
//!
//! | field | value |
//! |---|---|
//! | `n_types`, `n_hidden` | rows of the embedding, and its columns H |
//! | `n_filters`, `n_rbf` | channels F of the filters, functions K of the radial basis |
//! | `n_interactions` | number of interaction blocks |
//! | `readout` | list of the outputs of each readout layer; the last is 1 |
//! | `activation` | `{"kind": "tanh"}`, `{"kind": "silu"}` |
//! | | or `{"kind": "shifted_softplus", "shift": 0.69}` |
//! | `radial_basis` | `{"kind": "gaussian", "coeff": -0.5}`, `{"kind": "spaced_exp"}` |
//! | | or `{"kind": "exp_normal", "alpha": 1.0, "lower": 0.0}` |
//! | `radial_cutoff` | the envelope of the basis; its upper limit is the neighbor radius |
//! | `cutoff` | the envelope of the convolution |
//! | `max_num_neighbors` | number or `null` |
//!
//! A cutoff is `{"kind": "identity" or "cosine", "lower": 0.0, "upper": 5.0}` or
//! `{"kind": "shifted_cosine", "upper": 5.0, "width": 1.0}`. `priors` is a list, in the order of
//! summation, of objects with these fields:
//!
//! | field | value |
//! |---|---|
//! | `name` | name of the term, and of its tuple list in the structures |
//! | `form` | `{"kind": "dihedral", "degree": 3}`, or `{"kind": ...}` of another form below |
//! | `parameters` | `"keyed"` or `"per_tuple"` |
//! | `n_rows` | number of keys or tuples |
//!
//! The other forms are `harmonic_bond`, `harmonic_angle`, `harmonic_angle_raw`,
//! `harmonic_improper`, `shifted_harmonic_improper`, `quartic_angle`, `quartic_angle_raw`,
//! `restricted_quartic`, `repulsion`, `cutoff_repulsion`, `exp_repulsion` and
//! `cutoff_exp_repulsion`. [`crate::model::PriorForm::name`] returns these names.
//!
//! | tensor | shape |
//! |---|---|
//! | `embedding.weight` | (n_types, n_hidden) |
//! | `rbf.offset` (gaussian) | (K) |
//! | `rbf.means`, `rbf.betas` (others) | (K) |
//! | `block{b}.filter0.weight`, `.bias` | (F, K), (F) |
//! | `block{b}.filter1.weight` | (F, F) |
//! | `block{b}.lin1.weight` | (F, H) |
//! | `block{b}.lin2.weight`, `.bias` | (H, F), (H) |
//! | `block{b}.lin.weight`, `.bias` | (H, H), (H) |
//! | `out{l}.weight`, `.bias` | (out, in), (out); the last layer has no bias |
//! | `prior/{name}/keys` (keyed) | `U32` (n_rows, order): bead types |
//! | `prior/{name}/values` | (n_rows, n_parameters), columns as in [`crate::model::PriorForm`] |
//!
//! # `flashschnet-structures`
//!
//! The JSON has the fields `n_structures` and `topologies`. `topologies` is a list of objects with
//! `n_beads` and `lists`; `lists` is a list of objects with `name`, `order` and `n_tuples`.
//!
//! | tensor | shape |
//! |---|---|
//! | `topology{t}.types` | `U32` (n_beads) |
//! | `topology{t}.masses` | (n_beads); absent if the structures have no masses |
//! | `topology{t}.list{l}` | `U32` (n_tuples, order): beads |
//! | `topology_of` | `U32` (n_structures): index of the topology |
//! | `positions` | (beads of all structures, 3) |
//! | `velocities_of` | `U32`: the structures that have velocities, ascending |
//! | `velocities` | (beads of those structures, 3) |

mod checksum;
mod file;
mod model;
mod structures;

pub(crate) use file::{Reader, Writer};
pub(crate) use model::parse_model;
pub use model::{model_digest, read_model, write_model};
pub(crate) use structures::parse_structures;
pub use structures::{read_structures, structures_digest, write_structures, write_with_provenance};
