//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.
//!
//! A potential is a SchNet graph network plus classical prior terms ([`Model`]). A [`System`] joins
//! a potential with the molecules of [`Structure`]s. A [`Backend`] makes an engine
//! ([`engine::Engine`]), which holds the state of all replicas and advances it. A program runs
//! dynamics with a [`Simulation`], or evaluates given positions with a
//! [`Potential`].
//!
//! Units: Å, kcal/mol, ps, masses in amu/418.4 ([`units`]).
//!
//! # Architecture
//!
//! ```text
//! model files ──────► Model ──┐
//!                             ├─► System ──► engine::Engine ◄── Simulation ◄── observers, output
//! structure files ► Structure ┘               │   │   │
//!                       ▲           reference ┘  cpu  └ gpu
//! PDB, mmCIF ─► prepare ┘
//! ```
//!
//! [`io`] imports models of mlcg, flashmd and TorchMD into one form ([`model::SchNet`]), so that no
//! backend knows of their origin. The priors of TorchMD's models come from a force field and a
//! topology ([`io::force_field`]).
//!
//! Three backends implement the engine: [`reference`](mod@reference) (f64, plain loops, the
//! definition of every result), [`cpu`] (f32, threads and vector instructions) and [`gpu`] (WGSL
//! through wgpu, or CUDA C).
//!
//! # Layers
//!
//! A module imports only from the lines below its own. Modules on one line do not import each
//! other. `tests/layers.rs` checks both. The program is the module `cli`.
//!
//! ```text
//! cli
//! analysis, diagnose, output, checkpoint
//! simulation, potential
//! builtin, prepare
//! backend
//! known_answers
//! reference, cpu, gpu
//! ops
//! engine
//! metadynamics
//! bias, io
//! hills, sanity, variable
//! system
//! model
//! structure
//! crowd
//! geometry, grid, host, largest, ramp, random, units
//! error
//! text
//! ```
//!
//! Before a GPU makes its first engine, it has to give known answers ([`Backend::check`]): small
//! experiments run every kernel that the dynamics use, and their results are compared with constants
//! of the f64 reference.
//!
//! # Operations
//!
//! [`ops::Ops`] has one method for each operation and states its equation, shapes, units and
//! tolerance. The files of an operation share a stem, for example `cfconv`, in `src/reference`,
//! `src/cpu`, `shaders` and `tests`. The f64 formulas of filters are part of [`model`], because the
//! filter tables are fitted to them.
//!
//! # The state
//!
//! [`engine::State`] is total: it holds positions, velocities, origins, inverse temperatures, the
//! number of steps done, the labels and counts of replica exchange, the frozen replicas, the
//! potential of the hills of metadynamics, and the work of moving biases. With the same system,
//! [`engine::Dynamics`], biases, external forces, force callback and backend, a run continues from
//! it bit for bit. A [`Checkpoint`] stores it with all that decides the bits, and
//! [`output::Output`] continues the files of a run at the lengths that a checkpoint names. Four
//! rules make this true:
//!
//! - Noise is a function of seed, replica number, step and bead. The random numbers of an exchange
//!   are a function of seed, first replica of the ladder, number of the exchange and try.
//! - A position on a GPU is a sum of two f32, counted from the origin of its replica. Both are
//!   multiples of 2⁻³² Å, so f64 holds the position exactly.
//! - Every sum has a fixed order. A replica's results depend on its own number and state only, not
//!   on the other replicas, unless they exchange states.
//! - Pairs beyond the cutoff contribute exactly zero, so results do not depend on when a neighbor
//!   list was built.
//!
//! # Multiple time steps
//!
//! Forces of the potential have two classes: those of the priors are fast, those of the network are
//! slow. External forces and those of a callback act like fast ones. With K =
//! [`engine::Dynamics::mts`], K steps are an outer step (impulse RESPA):
//!
//! ```text
//! v += K h/2 F_slow/m
//! K times: a step of the fast forces; F_fast(x) after the drifts
//! F_slow(x);  v += K h/2 F_slow/m
//! ```
//!
//! The half kicks of the slow forces are joined with those of the fast forces in the same place. So
//! a half kick has the force F_fast + w F_slow + F_host, with the external and callback forces
//! F_host and the weight w: K in the first and the last half kick of an outer step, and 0 between
//! them. With K = 1, w is 1 everywhere.
//!
//! State and noise count steps, not outer steps. Engines stop only where an outer step ends, so all
//! forces belong to the same positions whenever a state is read, set or exchanged. Limits are
//! tested in every step, with the force of its last half kick.
//!
//! # Blow-ups
//!
//! Every engine tests each replica in every step against the limits of [`engine::Watch`]: force and
//! kinetic energy of each bead, length of each harmonic bond, and range of each coordinate. A
//! replica that exceeds a limit freezes at that very step. It keeps its positions and velocities,
//! which stay finite, and has the energy NaN, so it exchanges nothing. [`engine::State::frozen`]
//! has the step, the bead and the reason, and is part of the state: a frozen replica stays frozen
//! in a continued run.
//!
//! Engines only freeze. The simulation looks at every reading, names the term with the largest
//! force on the bead, and ends the run or goes on ([`engine::OnBlowUp`]). It holds the last good
//! state of each replica, to which [`Simulation::reset`] puts a replica back.
//!
//! # Replica exchange
//!
//! [`engine::Exchange`] has one or more independent ladders of temperatures. A temperature is a
//! state, and its label moves between the replicas of the ladder, its walkers. Positions stay where
//! they are, so forces stay valid. [`engine::Engine::exchange`] decides on the device, from
//! energies that are there, and the host reads nothing. It swaps labels and temperatures, and
//! multiplies the velocities of a walker by √(T_new/T_old).
//!
//! [`Simulation`] has the schedule. At a step of the schedule the frame comes first, then the
//! exchange. The device keeps the labels after the last [`engine::TRACE`] exchanges, and the
//! simulation passes them to the observers. [`Simulation::tune_ladders`] moves the temperatures to
//! equal acceptance ([`engine::Exchange::equalized`]).
//!
//! # Output
//!
//! [`output::Output`] has the files of a run, and all of them have the same frames. With
//! [`output::in_background`], a thread writes them while the device computes. The thread gets a
//! frame after the status of all steps up to it was read as good.
//!
//! # The GPU backend
//!
//! The folder `src/gpu` is layered. Calls run downward: batches, engine, step, parts, kernel, api.
//!
//! ```text
//! batches      an engine for each batch of replicas, if one engine has no room for all
//! engine       submits steps, repeats them after an overflow, reads, reports errors
//! step         the list of the dispatches of a step
//! the parts    state, neighbors, priors, integrate, network, exchange, fire, variables, biases,
//!              hills, metadynamics: each owns its buffers, grows them and makes its dispatches
//! helpers      kept (copies of a state), compose (text of kernels), pack (layouts of numbers),
//!              tuning (thresholds), storage (formats of a network), params (structs shared with
//!              the shaders)
//! typed        kernel, buffer, program, device
//! api          memory, kernels and commands of wgpu or CUDA: bytes, no types
//! ```
//!
//! An engine has one buffer for each array of all its replicas, and a device limits the size of a
//! buffer. Replicas that exceed it are divided into batches, each with an engine of its own on the
//! same device. A replica's results do not depend on the others, so the batches do not show in the
//! bits. The replicas of a ladder are in one batch, and so are all replicas of metadynamics. Each
//! batch has room for neighbor lists that grow.
//!
//! A kernel is bound by the names of its bindings. The host reads these names from the text of the
//! kernel, and finds the buffer of each name in a scope, a list of buffers with names.
//!
//! One step is a list of dispatches. A submission holds many steps, and the host reads nothing
//! between them. With multiple time steps (above), the kernels of the network run in the last step
//! of an outer step only:
//!
//! ```text
//! integrate_begin    half kick, half drift, friction and noise, half drift; draws the noise; a
//!                    replica with an alarm stays; a bead that may not move is marked
//! neighbor_check     recenters a replica whose first bead is far from the origin; marks a replica
//!                    for a rebuild if it was recentered or a bead moved more than half the skin;
//!                    raises an alarm for a marked bead
//! neighbor_count, neighbor_fill    rebuild the lists of the marked replicas
//! prior_bonded       fast forces start here: bonds, angles, dihedrals; raises an alarm for a
//!                    stretched bond
//! prior_repulsion    fast forces of non-bonded pairs
//! edges              if filters are tabulated: finds the place in the tables of each edge within
//!                    the cutoff, and counts the neighbors of each bead
//! neighbor_limit     if filters are exact and a molecule is larger than the limit of the model:
//!                    counts the neighbors
//! each block         cfconv_forward: messages; block_forward, except after the last block: lin2,
//!                    lin (h += …), lin1 of the next block
//! readout            lin2 and lin of the last block, the readout layers, the energy of each bead,
//!                    and back to the gradient of the last messages; slow forces start here, from 0
//! each block, last to first    block_backward, except for the last block: lin1ᵀ of the next block,
//!                    linᵀ, lin2ᵀ; cfconv_backward: slow forces
//! integrate_end      half kick; counts the step; raises an alarm for a force or a kinetic energy
//! ```
//!
//! If the temperature changes with the step ([`engine::Dynamics::anneal`]), the kernel `anneal`
//! ends an outer step: it sets the temperature of the next one. A step of a minimization
//! ([`engine::Minimization`]) has the same kernels of forces, after the kernel `fire`, which moves
//! the beads of each replica that has not converged.
//!
//! An exchange is a submission of its own, between steps:
//!
//! ```text
//! energy_reduce      the energy of each replica at the present positions, as a sum of two f32
//! bias_levels        with biases: the energy of each replica in each state of its ladder
//! exchange           draws pairs and random numbers of each ladder, and swaps labels in order
//! exchange_end       new temperatures; scales velocities
//! ```
//!
//! A reading can evaluate variables ([`Variable`]) with the kernel `observe`: one workgroup for
//! each replica, which sums over beads in a fixed order. Biases ([`Bias`]) are potentials of
//! variables. The kernel `bias` runs after those of the priors in every step. It starts the bias
//! range of the forces from the forces of the host, adds the forces of each bias in order, and
//! writes values and energies. The numbers of a bias belong to the state of a replica in its
//! ladder, or to the replica.
//!
//! `exchange` compares whole numbers of 64 and 128 bits, so drivers cannot round decisions
//! differently.
//!
//! Forces are ranges of one buffer, each with a force and an energy for each bead. The fast range
//! has the forces of the priors; the slow range has those of the network. Both have their own
//! validity: the engine knows whether the range belongs to the present positions, so a reading runs
//! only the kernels whose results are missing. A third range, the bias range, exists only if there
//! are biases, external forces or a force callback. The half kicks add it, and the potential energy
//! does not contain it. Without this range, the kernels of the half kicks do not read it.
//!
//! Kernels report problems in the status of a replica: a neighbor list without enough room, more
//! neighbors than the model allows. The host reads the status at the next read-back. If a list had
//! no room, the host grows all lists and repeats the steps and exchanges from a copy of the state.
//! Too many neighbors are an error.
//!
//! An alarm is a word of the replica, the lowest bead that exceeded a limit and the reason, which
//! kernels lower by an integer atomic. It is part of the state, because steps that are repeated
//! start without the alarms of wrong lists. A kernel that raises alarms reads none, so all beads of
//! a replica stop at the same step.
//!
//! With a force callback ([`engine::Engine::set_force_callback`]) a step is two submissions: up to
//! the neighbor lists, and the rest. The host reads status and positions after the first, calls the
//! callback, and writes the bias range. So no step is ever repeated.
//!
//! One read-back serves a frame: one submission runs the missing kernels and copies status, state,
//! energies and forces to the host, which waits once. [`engine::Engine::request`] does not wait:
//! the host submits the next steps before it collects the reading, unless an observer may change
//! them ([`simulation::Observer::is_passive`]). The engine copies the state on the device at the
//! reading, so that only the later steps are repeated if a list overflows after it.
//!
//! Consecutive linear layers are one dispatch: a tile of rows stays in workgroup memory from one
//! layer to the next. The libraries `lib/dense` and `lib/dense_matrix` have the same functions, the
//! second for tensor cores. The cfconv kernels of tabulated filters ([`model::FilterTable`]) have
//! the suffix `_table`. Those of exact filters have no suffix, or `_matrix` in mixed precision on
//! tensor cores. The number of invocations that share a row depends on the number of rows; the
//! order of every sum does not.
//!
//! In mixed precision ([`engine::Precision`]) the same kernels import other files of `shaders/lib`.
//! Filter tables, and the features that the backward pass gathers, are f16; the device multiplies
//! them in f16 if it can. Weights of linear layers are normalised 16-bit integers. On tensor cores
//! each weight is the sum of two f16, in either precision. [`diagnose::precision`] measures the
//! errors with the same code.
//!
//! With the feature `cuda` the same host code drives NVIDIA GPUs through CUDA. Each kernel
//! `NAME.wgsl` has a twin `NAME.cu` with libraries in `shaders/lib/*.cuh`, which is compiled at run
//! time for the device. [`diagnose::parity`] compares any two backends.

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
