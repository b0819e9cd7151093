//! Masses: not needed for energies and overdamped dynamics, and suspicious if they seem to be in amu.

use std::path::Path;
use std::sync::Arc;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::engine::Integrator;
use flashschnet::io::load_structures;
use flashschnet::io::native::{read_structures, write_structures};
use flashschnet::potential::{Potential, Request, Scores};
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::structure::{Structure, Topology};

use crate::common::program::{PROGRAM, small_files, stderr};
use crate::common::small;
use crate::pt::{self, Py};

fn with_masses(masses: &[f64]) -> Vec<Structure> {
    let mut structures = small::structures();
    let topology = Topology { masses: masses.to_vec(), ..(*structures[0].topology).clone() };
    let topology = Arc::new(topology);
    structures.iter_mut().for_each(|structure| structure.topology = topology.clone());
    structures
}

#[test]
fn structures_without_masses_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let structures = with_masses(&[]);
    write_structures(&path, &structures).unwrap();
    assert_eq!(read_structures(&path).unwrap(), structures);

    // Some files store None, others have no such entry.
    let with = |masses: Py| Py::List(vec![pt::structure(vec![("masses", masses)])]);
    std::fs::write(&path, pt::file(&with(Py::None))).unwrap();
    assert!(load_structures(&path).unwrap()[0].topology.masses.is_empty());
    std::fs::write(&path, pt::file(&with(pt::f32s(&[2], [0.1; 2])))).unwrap();
    let error = load_structures(&path).unwrap_err().to_string();
    assert!(error.contains("masses: found 2, expected 3, one per bead, or none"), "{error}");
    std::fs::write(&path, pt::file(&with(pt::f32s(&[3], [0.1, 0.0, 0.1])))).unwrap();
    let error = load_structures(&path).unwrap_err().to_string();
    assert!(error.contains("masses[1]: found 0, expected a mass > 0"), "{error}");
}

#[test]
fn only_dynamics_with_velocities_need_masses() {
    let (model, with, without) = (small::model(), small::structures(), with_masses(&[]));
    for kind in [BackendKind::Reference, BackendKind::Cpu] {
        let backend = Backend::open(kind, None).unwrap();
        let score = |structures: &[Structure]| {
            let mut potential = Potential::new(&model, structures, backend.clone()).unwrap();
            let molecules = potential.system().molecule_of().to_vec();
            let positions: Vec<_> = structures.iter().flat_map(|s| s.positions.clone()).collect();
            let mut scores = Scores::default();
            potential.evaluate(&molecules, &positions, &Request::forces(), &mut scores).unwrap();
            assert!(scores.failed.is_empty());
            scores.evaluations
        };
        assert_eq!(score(&with), score(&without));

        let integrator = Integrator::Overdamped { friction: 50.0 };
        let settings = Settings { integrator, dt: 1e-3, n_replicas: 2, ..Settings::default() };
        let end = |structures: &[Structure]| {
            let mut simulation = Simulation::new(&model, structures, &settings, &backend).unwrap();
            simulation.run(20).unwrap();
            simulation.state().unwrap().positions
        };
        assert_eq!(end(&with), end(&without));
        assert!(end(&without).iter().flatten().all(|x| x.is_finite()));

        for integrator in [Integrator::Langevin { friction: 1.0 }, Integrator::Nve] {
            let settings = Settings { integrator, n_replicas: 2, ..Settings::default() };
            let mixed = [with[0].clone(), without[1].clone()];
            for (structures, replica) in [(&without[..], 0), (&mixed[..], 1)] {
                let error = Simulation::new(&model, structures, &settings, &backend).map(drop);
                let error = error.unwrap_err().to_string();
                let found = format!("masses: found none in the structure of replica {replica}");
                assert!(error.contains(&found) && error.contains("overdamped"), "{error}");
            }
        }
    }
}

/// Runs the program; returns its messages and its log.
fn run(structures: &[Structure], arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("file"), folder.path().join("out"));
    write_structures(&file, structures).unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "--backend", "reference", "--replicas", "1", "--steps", "20", "--model"]);
    command.arg(&small_files()[0]).arg("--structures").arg(&file).args(arguments);
    let output = command.arg("-o").arg(&out).output().unwrap();
    let log = std::fs::read_to_string(out.join(Path::new("run.log"))).unwrap_or_default();
    (output.status.code(), stderr(&output), log)
}

#[test]
fn masses_in_amu_are_warned_of() {
    const WARNING: &str = "masses of a molecule of 12 beads are 12 to 125.52 in units of 418.4 amu, \
                           which is 5021 to 52518 amu";
    let mut masses = vec![12.0; small::N_BEADS as usize];
    masses[3] = 125.52;
    let (code, said, log) = run(&with_masses(&masses), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(WARNING) && log.contains(WARNING), "{said}\n{log}");
    let (code, said, _) =
        run(&with_masses(&masses), &["--integrator", "overdamped", "--dt", "1e-4"]);
    assert!(code == Some(0) && !said.contains("amu"), "{said}");
    // One light bead shows that the unit is right.
    masses[3] = 0.3;
    let (code, said, log) = run(&with_masses(&masses), &[]);
    assert!(code == Some(0) && !said.contains("amu") && !log.contains("amu;"), "{said}\n{log}");

    let (code, said, _) = run(&with_masses(&[]), &[]);
    let errors = said.lines().filter(|line| line.contains("error")).count();
    assert!(code == Some(1) && errors == 1 && said.contains("masses: found none"), "{said}");
    let (code, said, _) = run(&with_masses(&[]), &["--integrator", "overdamped", "--dt", "1e-4"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_structure_without_beads_is_refused() {
    let backend = Backend::open(BackendKind::Reference, None).unwrap();
    let structure = Structure {
        topology: Arc::new(Topology::default()),
        positions: Vec::new(),
        velocities: None,
    };
    let error = Simulation::new(&small::model(), &[structure], &Settings::default(), &backend);
    let error = error.map(drop).unwrap_err().to_string();
    assert!(error.contains("types: found no beads"), "{error}");
}
