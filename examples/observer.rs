//! A run with an observer that pulls the ends of a chain apart and stops the run when the chain is
//! long enough.

use std::sync::Arc;

use flashschnet::model::{Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame};
use flashschnet::structure::{Topology, TupleList};
use flashschnet::{Backend, BackendKind, Model, Result, Settings, Simulation, Structure};

const N_BEADS: usize = 8;
const N_REPLICAS: usize = 4;

/// Runs the example; returns the mean end-to-end distance in its last frame, Å.
pub(crate) fn run() -> Result<f64> {
    let backend = Backend::open(BackendKind::Auto, None)?.for_dynamics();
    let (model, structure) = chain();
    let settings = Settings { n_replicas: N_REPLICAS, ..Settings::default() };
    let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;

    let mut length = 0.0;
    let mut pull = |frame: &Frame, control: &mut Control| {
        let mut forces = vec![[0.0; 3]; frame.positions.len()];
        length = 0.0;
        for (x, f) in frame.positions.chunks(N_BEADS).zip(forces.chunks_mut(N_BEADS)) {
            length += distance(x[0], x[N_BEADS - 1]) / N_REPLICAS as f64;
            // 5 kcal/mol/Å along x, kept until the next frame.
            (f[0][0], f[N_BEADS - 1][0]) = (-5.0, 5.0);
        }
        let temperature = frame.temperature.iter().sum::<f64>() / N_REPLICAS as f64;
        println!("{:6.2} ps  {temperature:5.0} K  {length:6.2} Å end to end", frame.time);
        control.set_external_forces(Some(forces));
        if length > 24.0 {
            control.stop();
        }
        Ok(())
    };
    let done = simulation.run_with(20_000, 50, &mut pull)?;
    println!("stopped after {done} steps");
    Ok(length)
}

/// Eight beads in a helix, held together by bonds.
fn chain() -> (Model, Structure) {
    let tuples: Vec<[u32; 4]> = (1..N_BEADS as u32).map(|i| [i - 1, i, 0, 0]).collect();
    let parameters = PriorParameters::PerTuple { values: [50.0, 3.8, 0.0].repeat(tuples.len()) };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters };
    let topology = Topology {
        types: vec![1; N_BEADS],
        masses: vec![0.3; N_BEADS],
        lists: vec![TupleList { name: "bonds".into(), order: 2, tuples }],
    };
    let on_helix = |i: usize| {
        let angle = 1.75 * i as f64;
        [2.3 * angle.cos(), 2.3 * angle.sin(), 1.5 * i as f64]
    };
    let positions = (0..N_BEADS).map(on_helix).collect();
    let structure = Structure { topology: Arc::new(topology), positions, velocities: None };
    (Model { schnet: None, priors: vec![bonds] }, structure)
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt()
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<()> {
    run().map(|_| ())
}
