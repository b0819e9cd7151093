//! `bias`: restraints of variables. Their forces, their effect on dynamics and on replica exchange.

// Runs and minimizations with biases.
mod engines;
// Exchanges between states with different biases.
mod exchange;
// Values, energies and forces at given positions.
mod forces;
// Biases that cannot be.
mod refusals;

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::engine::{Terms, Wanted};
use flashschnet::variable::Variable;

use crate::common::chain;
use crate::variable::every_variable;

const N: usize = 9;

fn bias(name: impl Into<String>, variable: Variable, form: BiasForm) -> Bias {
    Bias { name: name.into(), variable, form }
}

fn harmonic(name: &str, variable: Variable, k: &[f64], center: &[f64]) -> Bias {
    bias(name, variable, BiasForm::Harmonic { k: k.to_vec(), center: center.to_vec() })
}

/// Biases on variables of every kind, with numbers for `n` states.
fn every_bias(n: usize) -> Vec<Bias> {
    let reference = chain(N, 4).positions;
    let per_state = |x: f64| (0..n).map(|s| x + 0.125 * s as f64).collect::<Vec<_>>();
    let mut all = Vec::new();
    for (i, variable) in every_variable(&reference).into_iter().enumerate() {
        let q = variable.value(&reference);
        let form = BiasForm::Harmonic { k: per_state(2.0), center: vec![q + 1.5] };
        all.push(bias(format!("harmonic_{i}"), variable.clone(), form));
        let (below, above) = (vec![q - 2.0], per_state(q - 1.0));
        let form = BiasForm::FlatBottom { k: vec![1.5], lower: below, upper: above };
        all.push(bias(format!("flat_{i}"), variable.clone(), form));
        if !matches!(variable, Variable::Dihedral(_)) {
            let (lower, upper) = (per_state(q + 1.0), Vec::new());
            let form = BiasForm::FlatBottom { k: vec![0.5], lower, upper };
            all.push(bias(format!("lower_{i}"), variable, form));
        }
    }
    all
}

/// Biases that are smooth enough for a trajectory.
fn gentle(n: usize) -> Vec<Bias> {
    let reference = chain(N, 4).positions;
    let centers: Vec<f64> = (0..n).map(|r| 5.0 + 2.0 * r as f64).collect();
    let form = BiasForm::FlatBottom { k: vec![3.0], lower: Vec::new(), upper: vec![3.5] };
    let beads: Vec<u32> = vec![1, 4];
    let places = vec![reference[1], reference[4]];
    vec![
        harmonic("ends", Variable::end_to_end(N), &[1.0], &centers),
        bias("rg", Variable::radius_of_gyration(), form),
        harmonic("rmsd", Variable::rmsd(&reference), &[2.0], &[1.5]),
        harmonic("place", Variable::Position { beads, reference: places }, &[1.0], &[0.0]),
    ]
}

const READING: Wanted = Wanted {
    state: true,
    energies: Some(Terms::Total),
    forces: true,
    trace: false,
    observables: false,
    biases: true,
};
