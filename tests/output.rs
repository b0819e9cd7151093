//! The output folder of a run whose replicas are different molecules.

use std::sync::Arc;

use flashschnet::Error;
use flashschnet::backend::{Backend, BackendKind};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::output::{Output, OutputOptions};
use flashschnet::simulation::{Control, Frame, Settings, Simulation};
use flashschnet::structure::{Structure, Topology, TupleList};

/// A chain of alanines on a line.
fn chain(n_beads: u32) -> Structure {
    let tuples = (1..n_beads).map(|i| [i - 1, i, 0, 0]).collect();
    let topology = Topology {
        types: vec![1; n_beads as usize],
        masses: vec![0.3; n_beads as usize],
        lists: vec![TupleList { name: "bonds".into(), order: 2, tuples }],
    };
    let positions = (0..n_beads).map(|i| [3.8 * f64::from(i), 0.0, 0.0]).collect();
    Structure { topology: Arc::new(topology), positions, velocities: None }
}

#[test]
fn molecules_of_different_sizes_have_a_topology_each() {
    let parameters =
        PriorParameters::Keyed { keys: vec![[1, 1, 0, 0]], values: vec![50.0, 3.8, 0.0] };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters };
    let model = Model { schnet: None, priors: vec![bonds] };
    let settings = Settings { n_replicas: 3, first_replica: 10, ..Settings::default() };
    let backend = Backend::open(BackendKind::Reference, None).unwrap();
    let structures = [chain(4), chain(15)];
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend).unwrap();

    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let arrays = OutputOptions { npy: true, ..OutputOptions::default() };
    let refused = Output::create(&folder, &mut simulation, arrays).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
    assert!(!folder.exists());

    let mut output = Output::create(&folder, &mut simulation, OutputOptions::default()).unwrap();
    let mut write = |frame: &Frame, _: &mut Control| output.write(frame);
    simulation.run_with(10, 5, &mut write).unwrap();
    output.finish().unwrap();

    let atoms = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.lines().filter(|line| line.starts_with("ATOM")).count()
    };
    assert_eq!((atoms("topology_0000.pdb"), atoms("topology_0001.pdb")), (4, 15));
    for (id, n_beads) in [(10, 4), (11, 15), (12, 4)] {
        let mut reader =
            molly::XTCReader::open(folder.join(format!("replica_{id:04}.xtc"))).unwrap();
        let frames = reader.read_all_frames().unwrap();
        assert_eq!((frames.len(), frames[1].natoms()), (2, n_beads));
    }
    let energies = std::fs::read_to_string(folder.join("energies.csv")).unwrap();
    let numbers: Vec<&str> = energies.lines().map(|row| row.split(',').nth(2).unwrap()).collect();
    assert_eq!(numbers, ["replica", "10", "11", "12", "10", "11", "12"]);
    assert!(matches!(Output::check_free(&folder), Err(Error::Exists(_))));
}
