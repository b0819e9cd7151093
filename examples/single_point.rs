//! Energies and forces of one structure, with a model and a molecule made from arrays.

use std::sync::Arc;

use flashschnet::engine::Terms;
use flashschnet::model::{Prior, PriorForm, PriorParameters};
use flashschnet::structure::{Topology, TupleList};
use flashschnet::{Backend, BackendKind, Model, Result, Settings, Simulation, Structure};

/// Runs the example; returns the potential energy in kcal/mol.
pub(crate) fn run() -> Result<f64> {
    // Bonds between beads of types 1 and 2, keyed by type. The parameters are k, x0, v0.
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::Keyed {
            keys: vec![[1, 2, 0, 0], [2, 1, 0, 0]],
            values: vec![60.0, 3.8, 0.0, 60.0, 3.8, 0.0],
        },
    };
    // One angle term, harmonic in cos θ, with parameters per tuple.
    let angles = Prior {
        name: "angles".into(),
        form: PriorForm::HarmonicAngle,
        parameters: PriorParameters::PerTuple { values: vec![4.0, -0.5, 0.0] },
    };
    let model = Model { schnet: None, priors: vec![bonds, angles] };

    let bond_list =
        TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0], [1, 2, 0, 0]] };
    let angle_list = TupleList { name: "angles".into(), order: 3, tuples: vec![[0, 1, 2, 0]] };
    let topology = Topology {
        types: vec![1, 2, 1],
        masses: vec![12.0 * flashschnet::units::AMU; 3],
        lists: vec![bond_list, angle_list],
    };
    let structure = Structure {
        topology: Arc::new(topology),
        positions: vec![[0.0, 0.0, 0.0], [3.9, 0.0, 0.0], [5.6, 3.4, 0.0]],
        velocities: None,
    };

    let backend = Backend::open(BackendKind::Auto, None)?;
    let mut simulation = Simulation::new(&model, &[structure], &Settings::default(), &backend)?;
    println!("on {}", simulation.engine().device());
    for (k, prior) in model.priors.iter().enumerate() {
        let term = simulation.evaluate(Terms::Prior(k))?;
        println!("{:<8} {:10.5} kcal/mol", prior.name, term.energy[0]);
    }
    let total = simulation.evaluate(Terms::Total)?;
    println!("total    {:10.5} kcal/mol", total.energy[0]);
    for (bead, force) in total.forces.iter().enumerate() {
        let [x, y, z] = force;
        println!("force on bead {bead}: {x:9.4} {y:9.4} {z:9.4} kcal/mol/Å");
    }
    Ok(total.energy[0])
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<()> {
    run().map(|_| ())
}
