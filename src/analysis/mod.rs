//! Analysis of trajectories: frames in chunks ([`frames`]), quantities of frames ([`measures`]), and
//! statistics of samples ([`statistics`]).
//!
//! `flashschnet analyze` writes the results to files. `docs/analysis.md` defines every quantity.

pub mod features;
pub mod frames;
pub mod measures;
pub mod statistics;
