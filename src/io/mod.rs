//! Reading and writing of models, structures and trajectories.
//!
//! A trajectory grows by whole frames, also if writing fails; only a process that is killed can
//! leave a part of a frame at the end. Other files appear under their names only when they are
//! complete.

pub(crate) mod content;
#[doc(hidden)]
pub mod entry;
mod file;
pub mod force_field;
pub mod import;
mod load;
pub mod native;
mod pdb;
#[doc(hidden)]
pub mod pickle;
pub mod trajectory;
#[doc(hidden)]
pub mod yaml;

pub(crate) use file::{GrowingFile, create_new, move_to, rewrite, sync_folder};
pub use file::{check_free, write_new};
pub use load::{Priors, load_contents, load_model_and_structures, load_priors, load_structures};
pub(crate) use load::{StructuresOr, load_structures_or};
pub(crate) use native::{Reader, Writer};
pub use pdb::{BeadName, bead_names, names_of_types, topology_pdb};
pub(crate) use pdb::{RESIDUES, has_backbone};
pub(crate) use trajectory::{Axes, NpyRows, counts};
pub use trajectory::{
    DcdReader, FrameFormat, Mark, NpyPosition, NpyQuantity, NpyReader, NpyWriter, Trajectory,
    TrajectoryWriter, XtcReader, npy_header, read_npy_types,
};
