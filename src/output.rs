//! The output folder of a run.

mod arrays;
mod background;
mod energies;
mod exchange_files;
mod folder;
mod folder_lock;
mod lengths;
mod names;
mod new_paths;
mod options;
mod run_log;
mod trajectories;

pub use self::background::{Queue, in_background};
pub use self::energies::csv_cell;
pub use self::exchange_files::ExchangeLengths;
pub use self::folder::Output;
pub use self::folder_lock::FolderLock;
pub use self::lengths::Lengths;
pub use self::options::{Format, OutputOptions, TrajectoriesBy};
