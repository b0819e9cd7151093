//! A built-in system for demonstrations and benchmarks: a synthetic model with the shape and the
//! work per step of a published model, and a compact chain to run it on.
//!
//! The chain is made up: 269 beads in 54 residues, with five beads per residue (glycine has four).
//! The model has a network of four blocks, 128 channels, 64 radial functions and a cutoff of 15 Å
//! (324,480 parameters), and the usual priors. Every parameter is a seeded random number or a round
//! number, so the motion says nothing about any protein.
//!
//! At 300 K with steps of 0.004 ps the chain stays a compact drop in which a bead has about 142
//! neighbors within the cutoff. This number does not drift, and neither does the cost of a step.
//! The kinetic temperature is about 286 K, because the stiff bonds lower it at such a long step
//! (298 K at 0.001 ps); the positions are sampled at 300 K.

mod chain;
mod network;
mod priors;

use std::sync::Arc;

use crate::model::Model;
use crate::random::Draw;
use crate::structure::Structure;

/// Centered positions in Å after a long run at 300 K, one bead per line.
const START: &str = include_str!("start.txt");

/// The seed of the random parameters.
const SEED: u64 = 20_240_054;

/// The model, a network and priors, for [`structure`].
pub fn model() -> Model {
    let mut draw = Draw::new(SEED);
    let schnet = network::network(&mut draw);
    let priors = priors::priors(&chain::topology(), &mut draw);
    Model { schnet: Some(schnet), priors }
}

/// The chain, compact and at equilibrium, without velocities.
#[allow(clippy::missing_panics_doc, reason = "the file is part of the crate")]
pub fn structure() -> Structure {
    let number = |word: &str| word.parse().expect("the file holds numbers");
    let position = |line: &str| {
        let mut numbers = line.split_whitespace().map(number);
        std::array::from_fn(|_| numbers.next().expect("three numbers a line"))
    };
    let positions = START.lines().map(position).collect();
    Structure { topology: Arc::new(chain::topology()), positions, velocities: None }
}
