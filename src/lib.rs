//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.
//!
//! A potential is a SchNet graph network plus classical prior terms ([`Model`]), and a molecule is a
//! [`Structure`]. On a [`Backend`], a GPU or the CPU, a [`Potential`] evaluates any number of
//! conformations, and a [`Simulation`] moves any number of replicas. Units are Å, kcal/mol, ps and K,
//! and masses in amu/418.4 ([`units`]).
//!
//! ```
//! use flashschnet::potential::{Potential, Request, Scores};
//! use flashschnet::simulation::{Control, Frame};
//! use flashschnet::{Backend, BackendKind, Settings, Simulation, builtin};
//!
//! // A model and a structure of your own: Model::load and io::load_structures.
//! let (model, structure) = (builtin::model(), builtin::structure());
//! // BackendKind::Auto takes the best GPU.
//! let backend = Backend::open(BackendKind::Cpu, None)?;
//!
//! let mut potential = Potential::new(&model, &[structure.clone()], backend.clone())?;
//! let mut scores = Scores::default();
//! potential.evaluate(&[0], &structure.positions, &Request::forces(), &mut scores)?;
//! println!("{:.1} kcal/mol", scores.evaluations[0].energy[0]);
//!
//! let settings = Settings { n_replicas: 2, ..Settings::default() };
//! let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
//! let mut observer = |frame: &Frame, _: &mut Control| {
//!     println!("{:.3} ps: {:.0?} K", frame.time, frame.temperature);
//!     Ok(())
//! };
//! simulation.run_with(10, 5, &mut observer)?;
//! # assert_eq!((simulation.step(), scores.failed.len()), (10, 0));
//! # Ok::<(), flashschnet::Error>(())
//! ```
//!
//! The [`guide`] has a chapter for each task of a program that uses the library, says what can go
//! wrong, and lists the features of the crate. Its last chapter is the [architecture](guide::architecture).

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod analysis;
pub mod backend;
pub mod bias;
pub mod builtin;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
mod crowd;
pub mod diagnose;
pub mod engine;
pub mod error;
mod geometry;
#[cfg(feature = "wgpu")]
pub mod gpu;
mod grid;
#[cfg(doc)]
pub mod guide;
pub mod hills;
mod host;
pub mod io;
#[cfg(feature = "wgpu")]
mod known_answers;
#[doc(hidden)]
pub mod largest;
pub mod metadynamics;
pub mod model;
pub mod ops;
pub mod output;
pub mod potential;
pub mod prepare;
#[doc(hidden)]
mod ramp;
pub mod random;
pub mod reference;
mod sanity;
pub mod simulation;
pub mod structure;
pub mod system;
mod text;
pub mod units;
pub mod variable;

pub use backend::{Backend, BackendKind};
pub use bias::{Bias, BiasForm};
pub use checkpoint::Checkpoint;
pub use error::{Error, Result};
pub use metadynamics::Metadynamics;
pub use model::Model;
pub use potential::Potential;
pub use simulation::{Settings, Simulation};
pub use structure::Structure;
pub use system::System;
pub use variable::Variable;
