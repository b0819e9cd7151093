//! Analysis of trajectories: statistics of samples ([`statistics`]).

pub mod statistics;
