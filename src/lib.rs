//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.
//!
//! A potential is a SchNet graph network plus classical prior terms ([`model`]); a [`system`] joins
//! it with molecules and replicas; a backend ([`engine::Engine`]) holds the state of all replicas
//! and advances it; a [`simulation::Simulation`] is what a program drives and observes.
//!
//! Units: Å, kcal/mol, ps, masses in amu/418.4 ([`units`]).
//!
//! # Architecture
//!
//! ```text
//! model files ──► model::Model ─┐
//!                               ├─► system::System ──► engine::Engine ◄── simulation::Simulation
//! structure files ─► Structure ─┘                       │   │   │              │
//!                                             reference ┘  cpu  └ gpu       io, observers
//! ```
//!
//! [`ops::Ops`] is the catalogue of operations: equation, shapes, units and tolerance of each.
//! One stem names an operation everywhere: in the contract, in [`reference`](mod@reference) (f64
//! loops, its definition), in [`cpu`] (f32, threads and vector units), in [`gpu`] with
//! `shaders/<stem>.wgsl`, and in `tests/<stem>.rs`.
//!
//! One step on the GPU is a list of dispatches, recorded many steps to a submission and read
//! nowhere on the way:
//!
//! ```text
//! integrate_begin    half kick, half drift, friction and noise, half drift; the noise is drawn here,
//!                    counted by (seed, replica, step, bead)
//! neighbor_check     did a bead of this replica move more than half the skin?
//! neighbor_count, neighbor_scan, neighbor_fill        only for the replicas where one did
//! prior_bonded       forces start here: external, bonds, angles, dihedrals
//! prior_repulsion    non-bonded pairs
//! edges              where each edge within the cutoff stands in the filter tables
//! per block          cfconv_forward; block_forward: lin2, lin (h += …), lin1 of the next block
//! readout            after the last messages: lin2, lin, energy of each bead, and all the way back
//!                    to the gradient of those messages
//! per block, last to first    cfconv_backward (force); block_backward: lin1ᵀ, linᵀ, lin2ᵀ
//! integrate_end      half kick
//! ```
//!
//! Beads of all replicas are numbered through; nothing but the replica's own number and state
//! enters its bits. Pairs between the cutoff and the skin contribute exactly zero, so that results
//! do not depend on when a list was rebuilt. What the device cannot go on with (a full list, a
//! coordinate that is not finite, more neighbors than the model allows) is a word in the replica's
//! status, read with the next look: lists are grown and the steps repeated, the rest is an error.
//!
//! Linear layers that follow each other are one dispatch: a tile of rows stays in workgroup memory
//! from one layer to the next, and where a device has matrix units they multiply it (`lib/dense` and
//! `lib/dense_matrix` have the same functions). Filters are tabulated ([`model::FilterTable`]);
//! where exact ones are asked for, there is no `edges`, and the cfconv dispatches are those without
//! `_table`, or those with `_matrix` in mixed precision on a device with matrix units. How
//! invocations share rows is chosen by their number; the order of every sum is not.
//!
//! In mixed precision ([`engine::Precision`]) the same kernels import other files of `shaders/lib`:
//! tables and the features of the way back are 16-bit floats, multiplied as such where the device
//! can; weights are normalised integers, or two 16-bit floats on matrix units.
//! [`precision`] tells what that loses, from the same code.
//!
//! With the feature `cuda` the same host drives NVIDIA's GPUs through CUDA: each `NAME.wgsl` has a
//! twin `NAME.cu`, with its own libraries in `shaders/lib/*.cuh`, compiled for the device found.
//! [`mod@parity`] compares any two backends.

pub mod backend;
pub mod builtin;
pub mod cpu;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod io;
pub mod model;
pub mod ops;
pub mod parity;
pub mod precision;
pub mod random;
pub mod reference;
pub mod scoring;
pub mod simulation;
pub mod system;
pub mod units;
pub mod verify;

pub use error::{Error, Result};
