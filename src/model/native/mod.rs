//! The native files: safetensors with hyper-parameters in the header.
//!
//! Both kinds have three strings in the header's `__metadata__`: `format`, `version` (`1`) and
//! `hyperparameters`, which is JSON. Fields, tensors and versions that are not listed here are
//! refused. Numbers are stored as `F32` where every value of the tensor is one exactly, as `F64`
//! otherwise; numbers of things as `U32`. Matrices are row-major, (out, in). Units are those of
//! [`crate::units`].
//!
//! # `flashschnet-model`
//!
//! JSON: `schnet` is `null` or an object of
//!
//! | field | value |
//! |---|---|
//! | `n_types`, `n_hidden` | rows and columns of the embedding |
//! | `n_filters`, `n_rbf` | F, K |
//! | `n_interactions` | blocks |
//! | `readout` | list: outputs of each readout layer, the last 1 |
//! | `activation` | `{"kind": "tanh"}`, `{"kind": "silu"}` or `{"kind": "shifted_softplus", "shift": 0.69}` |
//! | `radial_basis` | `{"kind": "gaussian", "coeff": -0.5}`, `{"kind": "exp_normal", "alpha": 1.0, "lower": 0.0}` or `{"kind": "spaced_exp"}` |
//! | `radial_cutoff` | the envelope inside the basis, whose upper limit is the neighbor radius |
//! | `cutoff` | the envelope of the convolution |
//! | `max_num_neighbors` | number or `null` |
//!
//! where a cutoff is `{"kind": "identity" or "cosine", "lower": 0.0, "upper": 5.0}` or
//! `{"kind": "shifted_cosine", "upper": 5.0, "width": 1.0}`. `priors` is a list, in the order of
//! summation, of
//!
//! | field | value |
//! |---|---|
//! | `name` | of the term, and of the structures' list |
//! | `form` | `{"kind": "dihedral", "degree": 3}`, or `{"kind": ...}` of another form below |
//! | `parameters` | `"keyed"` or `"per_tuple"` |
//! | `n_rows` | keys or tuples |
//!
//! The other forms are `harmonic_bond`, `harmonic_angle`, `harmonic_angle_raw`,
//! `harmonic_improper`, `shifted_harmonic_improper`, `quartic_angle`, `quartic_angle_raw`,
//! `restricted_quartic`, `repulsion`, `cutoff_repulsion`, `exp_repulsion` and
//! `cutoff_exp_repulsion`: [`crate::model::PriorForm::name`].
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
//! JSON: `n_structures`, and `topologies`, a list of `n_beads` and `lists`, a list of `name`,
//! `order` and `n_tuples`.
//!
//! | tensor | shape |
//! |---|---|
//! | `topology{t}.types`, `.masses` | `U32` (n_beads), (n_beads) |
//! | `topology{t}.list{l}` | `U32` (n_tuples, order): beads |
//! | `topology_of` | `U32` (n_structures) |
//! | `positions` | (beads of all structures, 3) |
//! | `velocities_of` | `U32`: the structures that have velocities, ascending |
//! | `velocities` | (beads of those structures, 3) |

mod file;
mod model;
mod structures;

pub use model::{read_model, write_model};
pub use structures::{read_structures, write_structures};
