//! Blow-ups of a run: what they do to the run, and their messages.

use std::collections::{BTreeMap, BTreeSet};

use super::last_good::LastGood;
use crate::bias::Bias;
use crate::engine::{
    Dynamics, Engine, FARTHEST, Frozen, OnBlowUp, Reading, Reason, State, Terms, Wanted, bonds,
};
use crate::error::{Error, Result};
use crate::geometry::{separation, square};
use crate::hills::Axis;
use crate::largest::largest_by;
use crate::metadynamics::Metadynamics;
use crate::system::System;
use crate::units;

/// The system of a run, and the external forces, biases and metadynamics on it.
#[derive(Clone, Copy)]
pub(super) struct Acting<'a> {
    pub(super) system: &'a System,
    pub(super) external: Option<&'a [[f64; 3]]>,
    pub(super) biases: &'a [Bias],
    pub(super) metadynamics: Option<&'a Metadynamics>,
}

impl Acting<'_> {
    fn external_on(self, bead: usize) -> [f64; 3] {
        self.external.map_or([0.0; 3], |forces| forces[bead])
    }

    /// The force that acted on a bead, counted over all replicas, at the end of a step.
    fn acting_on(
        self,
        engine: &mut dyn Engine,
        dynamics: &Dynamics,
        step: u64,
        bead: usize,
    ) -> Result<[f64; 3]> {
        let k = dynamics.mts;
        let (total, callback) = total_and_callback(engine, bead)?;
        let network = if k > 1 { engine.evaluate(Terms::Network)?.forces[bead] } else { [0.0; 3] };
        let weight = if step.is_multiple_of(u64::from(k)) { k } else { 0 };
        let mut sum = std::array::from_fn(|c| total[c] + (f64::from(weight) - 1.0) * network[c]);
        let biases = self.biases_on(engine, bead)?;
        let biases = biases.into_iter().map(|(_, force)| force);
        for force in biases.chain([self.external_on(bead), callback]) {
            sum = std::array::from_fn(|c| sum[c] + force[c]);
        }
        Ok(sum)
    }

    /// The force of each bias on a bead, with its name.
    fn biases_on(self, engine: &mut dyn Engine, bead: usize) -> Result<Vec<(String, [f64; 3])>> {
        let names = self.biases.iter().map(|bias| &bias.name);
        let names = names.chain(self.metadynamics.map(|of| &of.name));
        let of_bias = |(k, name): (usize, &String)| {
            Ok((format!("bias {name}"), engine.evaluate(Terms::Bias(k))?.forces[bead]))
        };
        names.enumerate().map(of_bias).collect()
    }

    /// The term with the largest force on a bead, counted over all replicas, and this force.
    pub(super) fn largest_term(
        self,
        engine: &mut dyn Engine,
        bead: usize,
    ) -> Result<(String, f64)> {
        let (_, callback) = total_and_callback(engine, bead)?;
        let mut forces = vec![
            ("external forces".to_owned(), length(self.external_on(bead))),
            ("the force callback".to_owned(), length(callback)),
        ];
        let biases = self.biases_on(engine, bead)?.into_iter();
        forces.extend(biases.map(|(name, force)| (name, length(force))));
        for (name, terms) in Terms::of(self.system) {
            forces.push((name, length(engine.evaluate(terms)?.forces[bead])));
        }
        Ok(largest_by(forces, |(_, force)| *force).unwrap_or_default())
    }

    /// Describes the limit that a frozen replica exceeded, and the term with the largest force on the
    /// bead.
    pub(super) fn describe(
        self,
        engine: &mut dyn Engine,
        dynamics: &Dynamics,
        r: usize,
        Frozen { step, bead, reason }: Frozen,
    ) -> Result<String> {
        let reading = engine.read(Wanted { state: true, ..Wanted::default() })?;
        let (watch, state) = (&dynamics.watch, reading.state.unwrap_or_default());
        let (molecule, beads) = (self.system.molecule(r), self.system.beads(r));
        let (i, all) = (bead as usize, beads.start + bead as usize);
        let seen = match reason {
            Reason::Position => format!(
                "bead {i} cannot move, because its next position or velocity is not finite, or it \
                 is farther than {FARTHEST} Å from 0"
            ),
            Reason::Force => {
                let force = length(self.acting_on(engine, dynamics, step, all)?);
                let limit = watch.max_force;
                format!("the force on bead {i} is {force:.3e} kcal/mol/Å, the limit {limit:e}")
            }
            Reason::Kinetic => {
                let kinetic = 0.5 * molecule.masses[i] * square(state.velocities[all]);
                let (in_kt, limit) = (kinetic * state.beta[r], watch.max_kinetic);
                let kelvin = 1.0 / (units::BOLTZMANN * state.beta[r]);
                format!(
                    "the kinetic energy of bead {i} is {in_kt:.3e} kT at {kelvin:.0} K, the limit \
                     {limit:e} kT"
                )
            }
            Reason::Grid => {
                let Some(of) = self.metadynamics else { return Ok(String::new()) };
                return Ok(off_grid(of, &state.positions[beads]));
            }
            Reason::Stretch => {
                let positions = &state.positions[beads];
                let bond = |([i, j], rest): ([usize; 2], f64)| {
                    let r = square(separation(positions[i], positions[j])).sqrt();
                    (r / rest, j, r, rest)
                };
                let of_bead = bonds(molecule).filter(|([first, _], _)| *first == i).map(bond);
                let (_, j, r, rest) = largest_by(of_bead, |bond| bond.0).unwrap_or_default();
                let limit = watch.max_stretch;
                format!(
                    "the bond of beads {i} and {j} is {r:.3e} Å long, the limit {limit} times its \
                     rest length of {rest} Å"
                )
            }
        };
        let (term, force) = self.largest_term(engine, all)?;
        Ok(format!("{seen}; the largest force on bead {i} is from {term}, {force:.3e} kcal/mol/Å"))
    }
}

/// Describes how a replica is not on the grid.
fn off_grid(of: &Metadynamics, positions: &[[f64; 3]]) -> String {
    let all = of.variables.iter().zip(&of.hills.axes).zip(of.values(positions)).enumerate();
    let all = all.map(|(k, ((variable, axis), q))| {
        let Axis { lower, upper, .. } = axis;
        let unit = match variable.unit() {
            "A" => " Å",
            "rad" => " rad",
            _ => "",
        };
        format!("value {k} is {q:.6}{unit}, on an axis from {lower} to {upper}")
    });
    let (name, values) = (&of.name, all.collect::<Vec<_>>().join("; "));
    format!("it is not on the grid of bias {name}: {values}")
}

/// The force of the potential on a bead, and that of the force callback.
fn total_and_callback(engine: &mut dyn Engine, bead: usize) -> Result<([f64; 3], [f64; 3])> {
    let wanted = Wanted { energies: Some(Terms::Total), forces: true, ..Wanted::default() };
    let Reading { evaluation, callback, .. } = engine.read(wanted)?;
    let callback = callback.map_or([0.0; 3], |found| found.forces[bead]);
    Ok((evaluation.forces[bead], callback))
}

/// The frozen replicas of a run.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) good: LastGood,
    /// The external forces.
    pub(super) external: Option<Vec<[f64; 3]>>,
    /// The frozen replicas that were warned of.
    told: BTreeSet<usize>,
}

impl Watching {
    /// A run from a state. Replicas that are frozen in it are known to be.
    pub(super) fn new(state: State, external: Option<Vec<[f64; 3]>>) -> Self {
        let told = state.frozen.keys().copied().collect();
        Watching { good: LastGood::new(state), external, told }
    }

    /// The frozen replicas are now these.
    pub(super) fn forget_but(&mut self, frozen: &BTreeMap<usize, Frozen>) {
        self.told.retain(|r| frozen.contains_key(r));
    }

    /// Fails if the energy of a replica that is not frozen is not finite.
    pub(super) fn check_energies(
        &self,
        dynamics: &Dynamics,
        state: &State,
        potential: &[f64],
    ) -> Result<()> {
        let is_broken = |r: &usize| !(potential[*r].is_finite() || state.is_frozen(*r));
        match (0..potential.len()).find(is_broken) {
            Some(r) => Err(Error::BlowUp {
                replica: dynamics.replica_ids[r],
                step: state.step,
                what: format!("its potential energy is {}", potential[r]),
                last_good: self.good.step_of(r),
                advice: Reason::Force.advice(),
            }),
            None => Ok(()),
        }
    }

    /// Acts on the frozen replicas of a reading: ends the run, or warns once of each.
    pub(super) fn check(
        &mut self,
        engine: &mut dyn Engine,
        (system, biases): (&System, &[Bias]),
        dynamics: &Dynamics,
        frozen: &BTreeMap<usize, Frozen>,
    ) -> Result<()> {
        let Watching { good, external, told } = self;
        let metadynamics = dynamics.metadynamics.as_ref();
        let acting = Acting { system, external: external.as_deref(), biases, metadynamics };
        let mut blow_up = |r: usize, frozen: Frozen, end: &str| {
            let what = acting.describe(engine, dynamics, r, frozen)? + end;
            let (replica, last_good) = (dynamics.replica_ids[r], good.step_of(r));
            let advice = frozen.reason.advice();
            Ok(Error::BlowUp { replica, step: frozen.step, what, last_good, advice })
        };
        let order = |(r, frozen): &(&usize, &Frozen)| (frozen.step, **r);
        if dynamics.watch.on_blow_up == OnBlowUp::Stop {
            return match frozen.iter().min_by_key(order) {
                Some((r, first)) => Err(blow_up(*r, *first, "")?),
                None => Ok(()),
            };
        }
        for (r, frozen) in frozen {
            if told.insert(*r) {
                log::warn!("{}", blow_up(*r, *frozen, "")?);
            }
        }
        match frozen.iter().max_by_key(order) {
            Some((r, last)) if frozen.len() == system.n_replicas() => {
                Err(blow_up(*r, *last, "; no replica is left")?)
            }
            _ => Ok(()),
        }
    }
}

fn length(force: [f64; 3]) -> f64 {
    square(force).sqrt()
}
