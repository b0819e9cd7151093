//! All tests that can share a process, one module per topic: `cargo test cfconv::` runs one module.
//! The tests also share their devices.

// Shared by the tests: backends, comparison, seeded fixtures, the program as a process, DCD files.
#[macro_use]
mod common;
// Writes `.pt` files.
mod pt;

// One operation against the f64 reference, on seeded input of odd sizes.
mod cfconv;
mod dense;
mod exchange;
mod integrate;
mod ladder;
mod neighbor;
mod prior;
mod radial;
mod random;
// Variables and their gradients, and readings of them as observables.
mod variable;
// Hills of metadynamics on a grid, and the free energy that they find.
mod hills;

// Forward and backward passes against central differences, in f64.
mod gradients;
// Tabulated filters against the networks they replace.
mod filter_table;
// Known answers of a device, and errors in kernels that they find.
mod known_answers;
// Whole cases of reference data.
mod verify;
// The published prior files on proteins, against golden energies.
mod published;
// The contract of a backend: errors, external forces, mixed systems.
mod engine;
// Multiple time steps: the network acts in the first and the last half kick of K steps.
mod mts;
// Forces that the host computes in every step.
mod callback;
// Biases of variables, alone and in replica exchange.
mod bias;
// Metadynamics: hills as a bias of all replicas.
mod metadynamics;
// Biases whose centers move, and their work.
mod steer;
// Energy minimization.
mod minimize;
// Temperatures that change with the step, and the motion of the center of mass.
mod temperature;
// Readings that are on their way while later steps are done.
mod requested;
// Replicas that blow up: the step, the others, messages and resets.
mod blow_up;
// Weights of any size: the right result, or an error.
mod scales;
// Beads in one place, and other positions that make no sense.
mod sanity;
// The checks of a system: lists of priors, shapes of networks.
mod system;
// A state continues with the same bits in another process.
mod continuation;
// Checkpoints as values and files: damaged ones never yield wrong data.
mod change;
mod checkpoint;
// Replicas and molecules far from the origin.
mod far;
// Replicas in batches, because one buffer has no room for all.
mod batches;
// A device's waits, allocations and memory, and a device that does not answer.
mod device;
// Energies without forces: the same bits as in a whole evaluation.
mod scoring;
mod shared;
// The same bits in two runs, alone or among other replicas, with any number of threads.
mod determinism;
// Two backends compared: `flashschnet parity` and the files it reads.
mod parity;

// The library's interface, and physics within a stated number of standard errors.
mod simulation;
// Structures without masses, and masses in the wrong unit.
mod masses;
// The folder of output files that a run writes.
mod output;
// The model of `examples/demonstration` folds, and its network carries the fold.
mod demonstration;
// The built-in system.
mod builtin;
// Statistics of samples: against pymbar, deeptime and exact results.
mod statistics;

// WGSL without a GPU: every specialisation translates, and structs agree with the host's.
mod shaders;
// Every specialisation in the languages of other compilers, for tests/portability.
mod portability;
// The layers of the crate: which file imports which, and how long a file is.
mod layers;
// CUDA C without a GPU: every kernel agrees with its WGSL twin.
mod cuda;
// The Markdown files: links, paths and commands.
mod prose;

// Model and structure files of the field's Python tools, and native files.
mod import;
mod import_field;
// Newer classes of mlcg, and those that mean the same as others.
mod import_classes;
mod import_parts;
mod import_priors;
mod native;
mod torchmd;
// TorchMD's networks of many forms, against their equations.
mod torchmd_energy;
// Beads and index lists of PDB and mmCIF files.
mod potential;
mod prepare;
// Extended chains and random coils of sequences.
mod prepare_sequence;
// Systems for TorchMD's models.
mod torchmd_prepare;
// DCD files of every flavor, truncated and damaged ones included.
mod dcd;

// The program as a user runs it: commands, configuration files, trajectories, wrong input, and what
// fails around it: streams, disks, signals, threads.
mod analysis;
mod analyze_errors;
mod analyze_input;
mod analyze_run;
mod bad_input;
mod bias_run;
mod config;
mod environment;
mod exchange_run;
mod faults;
mod prepare_run;
mod program;
mod report;
mod report_analysis;
mod restart;
mod structure_inputs;
mod trajectory;
// Reports of `bench` and of profiles; no speed is asserted.
mod bench;
// The examples.
mod examples;

// The comparison that the other tests use.
mod comparison;
