//! The experiments. Each makes engines, runs them for a few steps, and reports what it found.

use super::answers::Answer;
use super::system::{CHAIN, CHAINS_WITH_NETWORK, CLOUD, SMALL_CLOUD, system};
use crate::bias::{Bias, BiasForm};
use crate::engine::{
    Dynamics, Engine, Exchange, Integrator, Minimization, Mixing, Reading, State, Terms, Wanted,
    Watch,
};
use crate::error::Result;
use crate::hills::{Axis, Hills};
use crate::metadynamics::Metadynamics;
use crate::system::System;
use crate::variable::Variable;

/// Makes an engine of the backend under test.
pub(crate) type Factory<'a> = dyn Fn(System, &Dynamics) -> Result<Box<dyn Engine>> + 'a;

fn langevin(system: &System) -> Dynamics {
    let integrator = Integrator::Langevin { friction: 5.0 };
    Dynamics { integrator, dt: 0.004, seed: 3, ..Dynamics::none(system) }
}

/// The vectors of each replica.
fn by_replica(system: &System, what: &str, vectors: &[[f64; 3]]) -> Vec<Answer> {
    let of = |r: usize| Answer::vectors(format!("{what}, replica {r}"), &vectors[system.beads(r)]);
    (0..system.n_replicas()).map(of).collect()
}

/// The change of positions and velocities since the start.
fn motion(system: &System, start: &State, end: &State) -> Vec<Answer> {
    let minus = |a: &[[f64; 3]], b: &[[f64; 3]]| -> Vec<[f64; 3]> {
        let of = |(a, b): (&[f64; 3], &[f64; 3])| std::array::from_fn(|c| a[c] - b[c]);
        a.iter().zip(b).map(of).collect()
    };
    let moved = minus(&end.positions, &start.positions);
    let pushed = minus(&end.velocities, &start.velocities);
    let mut answers = by_replica(system, "displacements", &moved);
    answers.extend(by_replica(system, "changes of velocities", &pushed));
    answers
}

fn of_network(answers: Vec<Answer>) -> impl Iterator<Item = Answer> {
    answers.into_iter().map(Answer::of_network)
}

fn evaluation(
    engine: &mut dyn Engine,
    system: &System,
    terms: Terms,
    what: &str,
) -> Result<Vec<Answer>> {
    let found = engine.evaluate(terms)?;
    let mut answers = vec![Answer::numbers(format!("energies of {what}"), found.energy)];
    answers.extend(by_replica(system, &format!("forces of {what}"), &found.forces));
    Ok(answers)
}

/// A variable of each kind.
fn variables(start: &State) -> Vec<Variable> {
    let beads: Vec<u32> = (5..45).collect();
    let reference: Vec<[f64; 3]> = (5..45).map(|i| start.positions[CHAIN + i]).collect();
    let pairs = vec![[0, 20], [3, 24], [10, 30], [2, 61]];
    vec![
        Variable::Position { beads: vec![1, 2], reference: vec![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] },
        Variable::Distance { groups: [vec![0, 1, 2], vec![40, 41, 42, 43]] },
        Variable::Angle([3, 20, 50]),
        Variable::Dihedral([1, 2, 3, 4]),
        Variable::radius_of_gyration(),
        Variable::Rmsd { beads, reference },
        Variable::NativeContacts {
            distances: vec![5.0; pairs.len()],
            pairs,
            beta: 1.0,
            lambda: 1.2,
        },
    ]
}

/// A bias on each variable: springs and ranges.
fn biases(variables: &[Variable]) -> Vec<Bias> {
    let spring = |k: f64, center: f64| BiasForm::Harmonic { k: vec![k], center: vec![center] };
    let range = |k: f64, lower: f64, upper: f64| BiasForm::FlatBottom {
        k: vec![k],
        lower: vec![lower],
        upper: vec![upper],
    };
    let forms = [
        spring(0.02, 1.0),
        range(0.5, 11.0, 12.0),
        spring(3.0, 1.25),
        spring(3.0, 0.5),
        spring(0.5, 8.5),
        range(1.0, 0.0, 0.5),
        spring(5.0, 0.75),
    ];
    let of = |(k, (variable, form)): (usize, (&Variable, BiasForm))| Bias {
        name: format!("bias{k}"),
        variable: variable.clone(),
        form,
    };
    variables.iter().zip(forms).enumerate().map(of).collect()
}

fn of_biases(reading: &Reading) -> Vec<Answer> {
    let of = |(k, values): (usize, &Vec<[f64; 2]>)| {
        let values = values.iter().flatten().copied().collect();
        Answer::numbers(format!("value and energy of bias {k}"), values)
    };
    reading.biases.iter().enumerate().map(of).collect()
}

/// Neighbor lists, and the energies and forces of the network and of all terms.
pub(super) fn forces(make: &Factory) -> Result<Vec<Answer>> {
    let (system, start) = system(Some(CLOUD))?;
    let mut engine = make(system.clone(), &langevin(&system))?;
    engine.set_state(&start)?;
    let edges = engine.probe().n_edges()?;
    let mut answers = vec![Answer::count("edges", edges)];
    let network = evaluation(&mut *engine, &system, Terms::Network, "the network")?;
    answers.extend(of_network(network));
    let total = evaluation(&mut *engine, &system, Terms::Total, "all terms")?;
    answers.extend(of_network(total));
    Ok(answers)
}

/// Steps with biases and observables, a replica that freezes, and a minimization.
pub(super) fn steps(make: &Factory) -> Result<Vec<Answer>> {
    let (system, mut start) = system(Some(SMALL_CLOUD))?;
    let hot = system.beads(CHAINS_WITH_NETWORK - 1).start + 40;
    start.velocities[hot] = [200.0, 0.0, 0.0];
    let watch = Watch { max_kinetic: 400.0, ..Watch::OFF };
    let mut engine = make(system.clone(), &Dynamics { watch, ..langevin(&system) })?;
    engine.set_state(&start)?;
    let mut answers = Vec::new();
    let variables = variables(&start);
    engine.set_biases(&biases(&variables))?;
    engine.set_observables(&variables)?;
    engine.advance(8)?;
    let wanted = Wanted { state: true, biases: true, observables: true, ..Wanted::default() };
    let reading = engine.read(wanted)?;
    for (k, values) in reading.observables.iter().enumerate() {
        let kind = variables[k].kind();
        answers.push(Answer::numbers(format!("variable {k}, {kind}"), values.clone()).of_network());
    }
    answers.extend(of_network(of_biases(&reading)));
    let frozen = reading.frozen.iter().flat_map(|(r, frozen)| {
        [*r as u64, frozen.step, u64::from(frozen.bead), frozen.reason as u64]
    });
    answers.push(Answer::count("frozen replica, step, bead and reason", frozen));
    let end = reading.state.unwrap_or_default();
    answers.extend(of_network(motion(&system, &start, &end)));

    engine.set_biases(&[])?;
    let minimized = engine.minimize(&Minimization { most_steps: 3, tolerance: 1e-3 })?;
    let of = |number: fn(&crate::engine::Minimized) -> f64| minimized.iter().map(number).collect();
    answers.push(Answer::numbers("energies before", of(|found| found.energy_before)).of_network());
    answers.push(Answer::numbers("energies after", of(|found| found.energy_after)).of_network());
    answers.push(Answer::numbers("largest forces", of(|found| found.largest_force)).of_network());

    // Priors alone, and springs whose centers move, in the chains.
    let (system, start) = self::system(None)?;
    let mut engine = make(system.clone(), &langevin(&system))?;
    engine.set_state(&start)?;
    let priors = Terms::of(&system);
    for (name, terms) in [&priors[0], &priors[priors.len() - 1]] {
        let found = engine.energies(*terms)?;
        answers.push(Answer::numbers(format!("energies of {name}"), found));
    }
    let form = BiasForm::Moving { k: vec![3.0], path: vec![(0, 8.0), (6, 14.0)] };
    let variable = Variable::radius_of_gyration();
    engine.set_biases(&[Bias { name: "pull".into(), variable, form }])?;
    engine.advance(4)?;
    let reading = engine.read(wanted)?;
    answers.extend(of_biases(&reading));
    let work = reading.work.values().flatten().copied().collect();
    answers.push(Answer::numbers("work", work));

    // The other integrators.
    for integrator in [Integrator::Nve, Integrator::Overdamped { friction: 20.0 }] {
        let mut engine = make(system.clone(), &Dynamics { integrator, ..langevin(&system) })?;
        engine.set_state(&start)?;
        engine.advance(4)?;
        answers.extend(motion(&system, &start, &engine.state()?));
    }
    Ok(answers)
}

/// Walkers that exchange temperatures and the centers of a spring, by both ways of mixing.
pub(super) fn exchange(make: &Factory) -> Result<Vec<Answer>> {
    let (system, start) = system(None)?;
    let mut answers = Vec::new();
    for mixing in [Mixing::Neighbors, Mixing::AllPairs] {
        let exchange = Exchange::copies(mixing, &[2.0, 1.5, 1.0, 0.75], 1);
        let mut state = start.clone();
        state.exchanged = exchange.start(system.n_replicas());
        exchange.set_beta(&state.exchanged, &mut state.beta);
        let dynamics = Dynamics { exchange: Some(exchange), ..langevin(&system) };
        let mut engine = make(system.clone(), &dynamics)?;
        engine.set_state(&state)?;
        let form = BiasForm::Harmonic { k: vec![0.5], center: vec![8.0, 9.0, 10.0, 11.0] };
        let variable = Variable::radius_of_gyration();
        engine.set_biases(&[Bias { name: "spring".into(), variable, form }])?;
        for _ in 0..4 {
            engine.advance(1)?;
            engine.exchange()?;
        }
        let wanted = Wanted { state: true, trace: true, biases: true, ..Wanted::default() };
        let reading = engine.read(wanted)?;
        let trace = reading.trace.iter().flatten().map(|label| u64::from(*label));
        answers.push(Answer::count(format!("labels, {mixing:?}"), trace));
        answers.extend(of_biases(&reading));
        let end = reading.state.unwrap_or_default();
        let counts = end.exchanged.tally.iter().chain(&end.exchanged.ends);
        let counts = counts.map(|n| u64::from(*n));
        answers.push(Answer::count(format!("tries and ends, {mixing:?}"), counts));
        answers.extend(motion(&system, &start, &end));
    }
    Ok(answers)
}

/// Hills of one variable and of two, whose walkers share a grid.
pub(super) fn metadynamics(make: &Factory) -> Result<Vec<Answer>> {
    let (system, start) = system(None)?;
    let turn = std::f64::consts::PI;
    let axes = [
        Axis { lower: -turn, upper: turn, bins: 40, periodic: true, width: 0.35 },
        Axis { lower: 4.0, upper: 24.0, bins: 50, periodic: false, width: 0.8 },
    ];
    let variables = [Variable::Dihedral([1, 2, 3, 4]), Variable::radius_of_gyration()];
    let mut answers = Vec::new();
    for n in [1, 2] {
        let (height, bias_factor, temperature) = (2.0, 8.0, 300.0);
        let hills = Hills { axes: axes[..n].to_vec(), height, bias_factor, temperature };
        let variables = variables[..n].to_vec();
        let of = Metadynamics { name: "hills".into(), variables, hills, every: 1 };
        let dynamics = Dynamics { metadynamics: Some(of), ..langevin(&system) };
        let mut engine = make(system.clone(), &dynamics)?;
        engine.set_state(&start)?;
        engine.advance(4)?;
        let wanted = Wanted { state: true, hills: true, biases: true, ..Wanted::default() };
        let reading = engine.read(wanted)?;
        answers.extend(of_biases(&reading));
        let end = reading.state.unwrap_or_default();
        let first = |node: &[f64; 4]| [node[0], node[1], node[2]];
        let nodes: Vec<[f64; 3]> = end.hills.iter().map(first).collect();
        answers.push(Answer::vectors(format!("nodes of {n} axes"), &nodes));
        answers.extend(motion(&system, &start, &end));
    }
    Ok(answers)
}

/// A network that acts in every second step, while the temperature rises.
pub(super) fn schedule(make: &Factory) -> Result<Vec<Answer>> {
    let (system, start) = system(Some(SMALL_CLOUD))?;
    let anneal = vec![(0, 200.0), (8, 900.0)];
    let dynamics = Dynamics { mts: 2, anneal, ..langevin(&system) };
    let mut engine = make(system.clone(), &dynamics)?;
    engine.set_state(&start)?;
    engine.advance(4)?;
    let end = engine.state()?;
    let mut answers = vec![Answer::numbers("inverse temperatures", end.beta.clone())];
    answers.extend(of_network(motion(&system, &start, &end)));
    Ok(answers)
}
