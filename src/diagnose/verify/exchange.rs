//! Comparison of replica exchange with given energies and uniform numbers. The data have a row for
//! each slot, a pair of a state and a ladder, and exchange the contents of slots. Here a replica
//! stays where it is and its label moves.

use super::case::{Case, Tensor};
use super::check::{EngineFactory, Options, compare, flat};
use super::report::{Comparison, Findings};
use crate::engine::{Dynamics, Exchange, Integrator, Mixing, State};
use crate::error::{Error, Result};
use crate::largest::largest;
use crate::model::{Model, Prior, PriorForm, PriorParameters};
use crate::structure::{Structure, Topology, TupleList};
use crate::system::System;

pub(super) fn exchange(case: &Case, options: Options, engine: &EngineFactory) -> Result<Findings> {
    let mut findings = Findings::default();
    let series = (0..).map(|k| format!("case{k}")).take_while(|k| case.has(&format!("{k}/beta")));
    for name in series {
        findings.comparisons.extend(one_series(case, &name, options, engine)?);
    }
    Ok(findings)
}

/// The comparisons of one series of exchanges.
fn one_series(
    case: &Case,
    name: &str,
    options: Options,
    engine: &EngineFactory,
) -> Result<Vec<Comparison>> {
    let beta = case.tensor(&format!("{name}/beta"))?.values;
    let (system, structures) = beads(case, name)?;
    let n_replicas = structures.len();
    if beta.is_empty() || n_replicas % beta.len() != 0 {
        let expected = format!("a divisor of {n_replicas}, the number of replicas");
        return Err(Error::invalid(format!("{name}/beta"), beta.len(), expected));
    }
    let slots = Slots { copies: n_replicas / beta.len(), name };
    let exchange = Exchange::copies(Mixing::Neighbors, &beta, slots.copies);
    let dynamics = Dynamics {
        integrator: Integrator::Langevin { friction: 1.0 },
        exchange: Some(exchange.clone()),
        ..Dynamics::none(&system)
    };
    let velocities = case.shaped(&format!("{name}/vel0"), &vectors_of(&system))?.vectors();
    let positions = structures.into_iter().flat_map(|structure| structure.positions).collect();
    let state = dynamics.at_start(State { velocities, ..State::at_rest(&system, positions) });
    let mut engine = engine(system.clone(), &dynamics)?;
    engine.set_state(&state)?;

    let (mut label, mut comparisons) = (state.exchanged.label, Vec::new());
    let rounds = (0..).map(|k| format!("{name}/round{k}"));
    for round in rounds.take_while(|round| case.has(&format!("{round}/potential"))) {
        let tensor = |key: &str, shape: &[usize]| case.shaped(&format!("{round}/{key}"), shape);
        let potential = tensor("potential", &[n_replicas])?.values;
        let energies: Vec<f64> = slots.of(&label).map(|slot| potential[slot]).collect();
        let lower = case.tensor(&format!("{round}/pair_a"))?;
        let uniform = tensor("uniform", &lower.shape)?.values;
        let places = slots.order_of_tries(&lower, &tensor("pair_b", &lower.shape)?)?;
        let uniforms: Vec<f64> = places.iter().map(|place| uniform[*place]).collect();
        engine.probe().exchange_with(&energies, &uniforms)?;
        let state = engine.state()?;

        let found: Vec<usize> = slots.of(&state.exchanged.label).collect();
        let before: Vec<usize> = slots.of(&label).collect();
        let mut origin = vec![0.0; n_replicas];
        found.iter().enumerate().for_each(|(walker, slot)| origin[*slot] = walker as f64);
        let left = |slot: &f64| before.iter().position(|other| *other as f64 == *slot);
        let accepted = lower.values.iter().map(|slot| {
            let moved = left(slot).is_some_and(|walker| found[walker] != before[walker]);
            f64::from(u8::from(moved))
        });
        let accepted: Vec<f64> = accepted.collect();
        let n = beta.len();
        let mut matrix = vec![0.0; n * n];
        for l in 0..slots.copies {
            let tally = exchange.tally(&state.exchanged, l);
            matrix.iter_mut().zip(tally).for_each(|(sum, count)| *sum += f64::from(*count));
        }
        for (key, found, shape) in [
            ("slot_origin", &origin, &[n_replicas][..]),
            ("accepted", &accepted, &lower.shape),
            ("acceptance_matrix", &matrix, &[n, n]),
        ] {
            // Whole numbers.
            comparisons.push(compare(
                &format!("{round}/{key}"),
                &tensor(key, shape)?,
                0,
                found,
                |_| 0.5,
            )?);
        }
        for (key, vectors) in
            [("pos_after", &state.positions), ("vel_after_detailed_balance", &state.velocities)]
        {
            let expected = tensor(key, &vectors_of(&system))?;
            let tolerance = match options.exact {
                true => 1e-10,
                // A few roundings of f32.
                false => 1e-6,
            };
            let tolerance = tolerance * largest(expected.values.iter().map(|x| x.abs()));
            let mut by_slot = vec![[0.0; 3]; vectors.len()];
            for (walker, slot) in found.iter().enumerate() {
                by_slot[system.beads(*slot)].copy_from_slice(&vectors[system.beads(walker)]);
            }
            let name = format!("{round}/{key}");
            comparisons.push(compare(&name, &expected, 0, flat(&by_slot), |_| tolerance)?);
        }
        label = state.exchanged.label;
    }
    Ok(comparisons)
}

/// The shape of a tensor with a vector for each bead.
fn vectors_of(system: &System) -> [usize; 3] {
    [system.n_replicas(), system.beads(0).len(), 3]
}

/// Beads without forces.
fn beads(case: &Case, name: &str) -> Result<(System, Vec<Structure>)> {
    let masses = case.tensor(&format!("{name}/masses"))?.values;
    // A model has at least one term; this one has no bonds.
    let bonds = Prior {
        name: "bonds".to_owned(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: Vec::new() },
    };
    let list = TupleList { name: "bonds".to_owned(), order: 2, tuples: Vec::new() };
    let topology = Topology { types: vec![0; masses.len()], masses, lists: vec![list] };
    let structures = Case::structures(topology, &case.tensor(&format!("{name}/pos0"))?, None)?;
    let model = Model { schnet: None, priors: vec![bonds] };
    Ok((System::new(&model, &structures)?, structures))
}

/// The slots of the data: slot k · copies + c is state k of ladder c.
struct Slots<'a> {
    copies: usize,
    name: &'a str,
}

impl Slots<'_> {
    /// The slot of each walker.
    fn of(&self, label: &[u32]) -> impl Iterator<Item = usize> {
        let copies = self.copies;
        label.iter().enumerate().map(move |(walker, k)| *k as usize * copies + walker % copies)
    }

    /// The places of the tries in the data, in the order of an engine: ladder after ladder.
    fn order_of_tries(&self, lower: &Tensor, upper: &Tensor) -> Result<Vec<usize>> {
        let neighbors = |(a, b): (&f64, &f64)| *b - *a == self.copies as f64;
        if !lower.values.iter().zip(&upper.values).all(neighbors) {
            let field = format!("pairs of {}", self.name);
            return Err(Error::invalid(field, "other pairs", "slots of neighboring states"));
        }
        let ladder_and_slot = |place: &usize| {
            let slot = lower.values[*place];
            (slot as usize % self.copies, slot as usize)
        };
        let mut places: Vec<usize> = (0..lower.values.len()).collect();
        places.sort_by_key(ladder_and_slot);
        Ok(places)
    }
}
