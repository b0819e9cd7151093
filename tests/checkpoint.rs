//! Checkpoints as values and as files: a damaged one never yields wrong data.

use std::f64::consts::PI;
use std::path::Path;

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::checkpoint::{Checkpoint, Identity, NEWEST, PREVIOUS};
use flashschnet::engine::{Exchange, Frozen, Integrator, Ladder, Mixing, OnBlowUp, Reason, Watch};
use flashschnet::hills::{Axis, Grid, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::variable::Variable;
use flashschnet::{Backend, BackendKind, Error};

use crate::common::small;

fn reference() -> Backend {
    Backend::open(BackendKind::Reference, None).unwrap()
}

fn identity() -> Identity {
    Identity::new(&small::model(), &small::structures(), &reference()).unwrap()
}

fn simulation(settings: &Settings) -> Simulation {
    Simulation::new(&small::model(), &small::structures(), settings, &reference()).unwrap()
}

/// An exchange at every step between the first replica and the third, which have one molecule.
fn exchange() -> Exchange {
    let ladder = Ladder { beta: vec![1.7, 1.6], walkers: vec![2, 0] };
    Exchange { every: 1, mixing: Mixing::AllPairs, ladders: vec![ladder] }
}

/// The checkpoint of a few replicas after some steps, with numbers that no f32 holds. Three
/// replicas or more exchange states.
fn checkpoint(n_replicas: usize) -> Checkpoint {
    let settings = Settings {
        n_replicas,
        seed: u64::MAX - 3,
        first_replica: 5,
        beta: (0..n_replicas).map(|r| 1.7 + 0.1 * r as f64).collect(),
        exchange: (n_replicas > 2).then(exchange),
        remove_com_motion: n_replicas > 1,
        anneal: if n_replicas > 2 { Vec::new() } else { vec![(1, 300.1), (u64::MAX, 0.7)] },
        ..Settings::default()
    };
    let mut simulation = simulation(&settings);
    simulation.run(3).unwrap();
    let mut checkpoint = Checkpoint::new(&mut simulation, &identity()).unwrap();
    checkpoint.set_section("test", &(1_u64 << 63, 0.1, "text")).unwrap();
    checkpoint
}

#[test]
fn a_checkpoint_is_read_as_it_was_written() {
    let before = checkpoint(3);
    assert_eq!((before.state.exchanged.count, before.state.exchanged.tally.len()), (3, 4));
    let after = Checkpoint::from_bytes(&before.to_bytes().unwrap()).unwrap();
    assert_eq!(before, after);
    let data: (u64, f64, String) = after.section("test").unwrap();
    assert_eq!(data, (1 << 63, 0.1, "text".to_owned()));
    assert!(after.section::<u64>("test").is_err() && after.section::<u64>("none").is_err());
    assert_eq!(after.section_names().collect::<Vec<_>>(), ["test"]);

    let friction = 0.3;
    for integrator in [
        Integrator::Langevin { friction },
        Integrator::Nve,
        Integrator::Overdamped { friction },
        Integrator::OverdampedPublished { friction },
    ] {
        let mut before = before.clone();
        before.dynamics.integrator = integrator;
        let after = Checkpoint::from_bytes(&before.to_bytes().unwrap()).unwrap();
        assert_eq!(before, after);
    }
}

/// Biases with and without lists of beads, and with a range that is open.
fn biases() -> Vec<Bias> {
    let bias = |name: &str, variable, form| Bias { name: name.into(), variable, form };
    let harmonic = BiasForm::Harmonic { k: vec![0.1], center: vec![7.3] };
    let flat = BiasForm::FlatBottom { k: vec![1.0 / 3.0], lower: Vec::new(), upper: vec![1e-3] };
    let reference = &small::structures()[0].positions;
    vec![
        bias("ends", Variable::end_to_end(4), harmonic.clone()),
        bias("rmsd", Variable::rmsd(reference), flat.clone()),
        bias("q", Variable::native_contacts(reference, 30.0, 0.7, 1.1), harmonic.clone()),
        bias("twist", Variable::Dihedral([0, 1, 2, 3]), harmonic),
        bias("rg", Variable::radius_of_gyration(), flat),
    ]
}

/// A checkpoint without biases is that of earlier versions.
#[test]
fn biases_are_stored() {
    let mut before = checkpoint(3);
    let plain = before.to_bytes().unwrap();
    assert!(!String::from_utf8_lossy(&plain).contains("biases"));
    assert!(Checkpoint::from_bytes(&plain).unwrap().biases.is_empty());
    before.biases = biases();
    let after = Checkpoint::from_bytes(&before.to_bytes().unwrap()).unwrap();
    assert_eq!(before, after);
    assert_eq!(after.settings().biases, before.biases);
}

/// A checkpoint without metadynamics is that of earlier versions.
#[test]
fn metadynamics_is_stored() {
    let mut before = checkpoint(2);
    let plain = before.to_bytes().unwrap();
    let text = String::from_utf8_lossy(&plain);
    assert!(!text.contains("metadynamics") && !text.contains("hills"));
    let read = Checkpoint::from_bytes(&plain).unwrap();
    assert!(read.dynamics.metadynamics.is_none() && read.state.hills.is_empty());
    let axis = |periodic, bins| Axis { lower: -PI, upper: PI, bins, periodic, width: 0.5 };
    let axes = vec![axis(true, 32), axis(false, 30)];
    let hills = Hills { axes, height: 0.1 / 3.0, bias_factor: 7.7, temperature: 310.1 };
    let variables = vec![Variable::Dihedral([0, 1, 2, 3]), Variable::Angle([0, 1, 2])];
    let mut grid = Grid::new(hills.clone()).unwrap();
    grid.deposit(&[[0.3, 1.2], [-3.0, 0.7]]);
    before.state.hills = grid.nodes().to_vec();
    let metadynamics = Metadynamics { name: "hills".into(), variables, hills, every: 500 };
    before.dynamics.metadynamics = Some(metadynamics.clone());
    let after = Checkpoint::from_bytes(&before.to_bytes().unwrap()).unwrap();
    assert_eq!(before, after);
    assert_eq!(after.settings().metadynamics, Some(metadynamics));
}

#[test]
fn frozen_replicas_and_limits_are_stored() {
    let mut before = checkpoint(5);
    let on_blow_up = OnBlowUp::Freeze;
    before.dynamics.watch = Watch { max_stretch: 2.5, on_blow_up, ..Watch::OFF };
    let reasons = [Reason::Position, Reason::Force, Reason::Kinetic, Reason::Stretch, Reason::Grid];
    for (r, reason) in reasons.into_iter().enumerate() {
        before.state.frozen.insert(r + 1, Frozen { step: r as u64, bead: 2, reason });
    }
    let after = Checkpoint::from_bytes(&before.to_bytes().unwrap()).unwrap();
    assert_eq!(before, after);
    assert_eq!(after.settings().watch, before.dynamics.watch);
}

/// A run continues from its checkpoint to the bits of a run that was not interrupted.
#[test]
fn a_run_continues_from_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Some(exchange());
    let settings = Settings {
        n_replicas: 3,
        first_replica: 2,
        exchange,
        biases: biases(),
        ..Settings::default()
    };
    let mut whole = simulation(&settings);
    whole.run(20).unwrap();
    Checkpoint::new(&mut whole, &identity()).unwrap().save(folder.path()).unwrap();
    whole.run(20).unwrap();

    let (checkpoint, skipped) = Checkpoint::latest(folder.path(), |_| Ok(())).unwrap();
    assert!(skipped.is_none() && identity().check(&checkpoint.identity).unwrap());
    let mut continued = simulation(&checkpoint.settings());
    assert_eq!(continued.dynamics(), whole.dynamics());
    assert_eq!(continued.biases(), whole.biases());
    continued.set_state(&checkpoint.state).unwrap();
    continued.run(20).unwrap();
    assert_eq!(continued.state().unwrap(), whole.state().unwrap());
}

#[test]
fn another_model_or_structure_is_refused_and_another_backend_is_told() {
    let of_checkpoint = identity();
    let (mut model, mut structures) = (small::model(), small::structures());
    model.schnet.as_mut().unwrap().embedding[3] += 1e-15;
    let other = Identity::new(&model, &structures, &reference()).unwrap();
    assert!(other.check(&of_checkpoint).unwrap_err().to_string().starts_with("model: "));
    structures[1].positions[4][2] += 1e-12;
    let other = Identity::new(&small::model(), &structures, &reference()).unwrap();
    assert!(other.check(&of_checkpoint).unwrap_err().to_string().starts_with("structures: "));
    let cpu = Backend::open(BackendKind::Cpu, None).unwrap();
    let other = Identity::new(&small::model(), &small::structures(), &cpu).unwrap();
    assert!(!other.check(&of_checkpoint).unwrap());
}

/// Truncated at any byte, or with any byte changed, a checkpoint is an error.
#[test]
fn damaged_bytes_are_refused() {
    let refused = |bytes: &[u8]| match Checkpoint::from_bytes(bytes) {
        Err(Error::Invalid { .. }) => {}
        other => panic!("{other:?}"),
    };
    let small = checkpoint(1).to_bytes().unwrap();
    for k in 0..small.len() {
        refused(&small[..k]);
        for mask in [1, 0x80, 0xff] {
            let mut damaged = small.clone();
            damaged[k] ^= mask;
            refused(&damaged);
        }
    }
    let large = checkpoint(400).to_bytes().unwrap();
    assert!(large.len() > 200_000);
    for k in (0..large.len()).step_by(4096) {
        refused(&large[..k]);
        let mut damaged = large.clone();
        damaged[k..large.len().min(k + 4096)].fill(0);
        refused(&damaged);
    }
    refused(&[&large[..], &[0]].concat());
}

fn save(folder: &Path, step: u64) {
    let mut checkpoint = checkpoint(1);
    checkpoint.state.step = step;
    checkpoint.save(folder).unwrap();
}

/// The step of the checkpoint that is taken, and whether a newer one was not.
fn step(folder: &Path) -> (u64, bool) {
    let (checkpoint, skipped) = Checkpoint::latest(folder, |_| Ok(())).unwrap();
    (checkpoint.state.step, skipped.is_some())
}

#[test]
fn a_folder_always_has_a_whole_checkpoint() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let [newest, previous] = [NEWEST, PREVIOUS].map(|name| folder.join(name));
    let none = Checkpoint::latest(folder, |_| Ok(())).unwrap_err().to_string();
    assert!(none.contains("checkpoint: found none"), "{none}");
    (1..=3).for_each(|k| save(folder, k));
    assert_eq!(step(folder), (3, false));
    // A process was killed between the two renamings.
    std::fs::rename(&newest, folder.join("away")).unwrap();
    assert_eq!(step(folder), (2, true));
    std::fs::rename(folder.join("away"), &newest).unwrap();
    // The caller does not accept the newest one.
    let older = |checkpoint: &Checkpoint| match checkpoint.state.step {
        3 => Err(Error::invalid("step", 3, "less")),
        _ => Ok(()),
    };
    let (taken, skipped) = Checkpoint::latest(folder, older).unwrap();
    assert_eq!(taken.state.step, 2);
    assert!(skipped.unwrap().to_string().contains(NEWEST));
    // A damaged one never replaces the previous one.
    std::fs::write(&newest, "damaged").unwrap();
    assert_eq!(step(folder), (2, true));
    save(folder, 4);
    assert_eq!(step(folder), (4, false));
    std::fs::write(&newest, "damaged").unwrap();
    assert_eq!(step(folder), (2, true));
    std::fs::write(&previous, "damaged").unwrap();
    let both = Checkpoint::latest(folder, |_| Ok(())).unwrap_err().to_string();
    assert!(both.contains(NEWEST) && both.contains(PREVIOUS), "{both}");
    // Nothing else is left.
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
    assert!(checkpoint(1).save(&folder.join("missing")).is_err());
}

/// A host program can store the values in a format of its own.
#[cfg(feature = "serde")]
#[test]
fn a_checkpoint_serializes() {
    let before = checkpoint(2);
    let text = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), before);
    // Earlier versions had no metadynamics.
    let mut earlier: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (part, name) in [("state", "hills"), ("dynamics", "metadynamics")] {
        assert!(earlier[part].as_object_mut().unwrap().remove(name).is_some());
    }
    assert_eq!(serde_json::from_value::<Checkpoint>(earlier).unwrap(), before);
}
