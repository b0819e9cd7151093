//! The output folder of a run: different molecules, and writing on another thread.

use std::sync::Arc;

use flashschnet::Error;
use flashschnet::backend::{Backend, BackendKind};
use flashschnet::engine::{Exchange, Mixing};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::output::{Format, Output, OutputOptions, Queue, TrajectoriesBy, in_background};
use flashschnet::simulation::{Control, Frame, Observer, Settings, Simulation, Wants};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::variable::Variable;

use crate::common::program::{npy, table};
use crate::common::small;

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

fn simulation(structures: &[Structure], settings: &Settings) -> Simulation {
    let parameters =
        PriorParameters::Keyed { keys: vec![[1, 1, 0, 0]], values: vec![50.0, 3.8, 0.0] };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters };
    let model = Model { schnet: None, priors: vec![bonds] };
    let backend = Backend::open(BackendKind::Reference, None).unwrap();
    Simulation::new(&model, structures, settings, &backend).unwrap()
}

/// Two walkers that exchange at every second step.
/// Their radius of gyration is an observable.
fn exchanging() -> Simulation {
    let exchange = Exchange { every: 2, ..Exchange::copies(Mixing::Neighbors, &[1.7, 1.6], 1) };
    let settings = Settings { n_replicas: 2, exchange: Some(exchange), ..Settings::default() };
    let mut simulation = simulation(&[chain(4)], &settings);
    simulation.set_observables(&[("rg", Variable::radius_of_gyration())]).unwrap();
    simulation
}

/// Passes everything on to a queue.
struct Queued<'a>(&'a mut Queue);

impl Observer for Queued<'_> {
    fn wants(&self) -> Wants {
        self.0.wants()
    }

    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<(), Error> {
        self.0.write(frame)
    }

    fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<(), Error> {
        self.0.exchanged(step, label)
    }
}

/// Writes every frame at once.
struct Direct<'a>(&'a mut Output);

impl Observer for Direct<'_> {
    fn wants(&self) -> Wants {
        self.0.options().wants()
    }

    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<(), Error> {
        self.0.write(frame)
    }
}

/// A frame without the forces or the energies of terms that the files need is an error.
#[test]
fn a_frame_must_have_what_the_files_need() {
    let temporary = tempfile::tempdir().unwrap();
    for (name, expected) in [("terms", "frame: found none"), ("forces", "arrays: found [0] values")]
    {
        let (forces, terms) = (name == "forces", name == "terms");
        let options = OutputOptions { forces, terms, ..OutputOptions::default() };
        let mut simulation = exchanging();
        let folder = temporary.path().join(name);
        let mut output = Output::create(&folder, &mut simulation, options).unwrap();
        let mut write = |frame: &Frame, _: &mut Control| output.write(frame);
        let error = simulation.run_with(1, 1, &mut write).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(output.last_frame(), None);
    }
}

/// A frame of another system is an error.
#[test]
fn a_frame_must_be_of_the_system_of_the_files() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let mut output = Output::create(&folder, &mut exchanging(), OutputOptions::default()).unwrap();
    let settings = Settings { n_replicas: 1, ..Settings::default() };
    let backend = Backend::open(BackendKind::Reference, None).unwrap();
    let mut other =
        Simulation::new(&small::model(), &small::structures(), &settings, &backend).unwrap();
    let error = other.run_with(1, 1, &mut Direct(&mut output)).unwrap_err().to_string();
    assert!(error.contains("frame: found 1 replicas with 12 beads"), "{error}");
    assert_eq!(output.last_frame(), None);
}

/// Observables are columns of `energies.csv` and arrays. Their values are those of the positions.
#[test]
fn observables_are_columns_and_arrays() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let mut simulation = exchanging();
    let reference = vec![[0.0; 3], [3.0, 1.0, 0.0], [3.0, 4.0, 2.0]];
    let variables = [
        ("angle", Variable::Angle([0, 1, 3])),
        ("ends", Variable::end_to_end(4)),
        ("d3", Variable::Rmsd { beads: vec![3, 1, 0], reference }),
        ("q", Variable::native_contacts(&[[0.0; 3]; 5], 1.0, 5.0, 1.2)),
    ];
    let refused = simulation.set_observables(&variables).unwrap_err().to_string();
    assert!(refused.contains("a bead below 4"), "{refused}");
    simulation.set_observables(&variables[..3]).unwrap();
    let options = OutputOptions { npy: true, terms: true, ..OutputOptions::default() };
    let mut output = Output::create(&folder, &mut simulation, options).unwrap();
    simulation.run_with(30, 10, &mut Direct(&mut output)).unwrap();
    // Neither more nor fewer observables than at the start.
    for others in [&variables[..2], &variables[1..3]] {
        simulation.set_observables(others).unwrap();
        let error = simulation.run_with(10, 10, &mut Direct(&mut output)).unwrap_err();
        assert!(error.to_string().contains("found other observables"), "{error}");
        let error = output.lengths().check(&folder, &simulation).unwrap_err().to_string();
        assert!(error.starts_with("observables: found"), "{error}");
    }
    output.finish().unwrap();

    let text = std::fs::read_to_string(folder.join("energies.csv")).unwrap();
    let header = text.lines().next().unwrap();
    assert!(header.ends_with("temperature_K,bonds_kcal_per_mol,angle_rad,ends_A,d3_A"), "{header}");
    let rows = table(&folder.join("energies.csv"));
    let (shape, coords) = npy::<f32>(folder.join("run_coords_0000.npy"));
    assert_eq!((shape, rows.len()), (vec![2, 3, 4, 3], 6));
    for (k, (name, variable)) in variables[..3].iter().enumerate() {
        let (shape, values) = npy::<f32>(folder.join(format!("run_{name}_0000.npy")));
        assert_eq!(shape, [2, 3]);
        for (row, value) in values.iter().enumerate() {
            let (replica, frame) = (row / 3, row % 3);
            let coords = coords[12 * row..][..12].iter().map(|x| f64::from(*x));
            let coords: Vec<f64> = coords.collect();
            let expected = variable.value(coords.as_chunks().0);
            let cell = rows[2 * frame + replica][8 + k];
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{name}: {value} {expected}");
            assert!((cell - expected).abs() < 1e-5, "{name}: {cell} {expected}");
        }
    }
}

#[test]
fn wrong_names_of_observables_are_refused() {
    let mut simulation = exchanging();
    let rg = || Variable::radius_of_gyration();
    for (names, expected) in [
        (["a", ""], "found \"\""),
        (["a", "b/c"], "letters, digits"),
        (["a", "a"], "found a twice"),
    ] {
        let error = simulation.set_observables(&names.map(|name| (name, rg()))).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(simulation.observables().len(), 1);
    }
    // The name of another array.
    simulation.set_observables(&[("coords", rg())]).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let options = OutputOptions { npy: true, ..OutputOptions::default() };
    let error = Output::create(&folder, &mut simulation, options).unwrap_err();
    assert!(error.to_string().contains("found coords"), "{error}");
    assert!(!folder.exists());
}

#[test]
fn another_thread_writes_the_same_files() {
    let temporary = tempfile::tempdir().unwrap();
    let options = OutputOptions {
        trajectories: TrajectoriesBy::Both,
        format: Format::Both,
        npy: true,
        velocities: true,
        forces: true,
        terms: true,
    };
    let [direct, queued] = ["direct", "queued"].map(|name| temporary.path().join(name));
    let mut of_direct = exchanging();
    let mut output = Output::create(&direct, &mut of_direct, options).unwrap();
    of_direct.run_with(60, 1, &mut Direct(&mut output)).unwrap();
    output.finish().unwrap();

    let mut of_queued = exchanging();
    let mut output = Output::create(&queued, &mut of_queued, options).unwrap();
    for _ in 0..2 {
        in_background(&mut output, |queue| of_queued.run_with(30, 1, &mut Queued(queue))).unwrap();
    }
    output.finish().unwrap();
    let mut n_files = 0;
    for entry in std::fs::read_dir(&direct).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "states.csv" {
            let [a, b] =
                [&direct, &queued].map(|folder| std::fs::read(folder.join(&name)).unwrap());
            assert!(a == b, "{name:?}");
            n_files += 1;
        }
    }
    assert!(n_files > 17);
    let states = std::fs::read_to_string(queued.join("states.csv")).unwrap();
    let steps: Vec<&str> = states.lines().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!((steps.len(), steps[31]), (32, "60"));
}

/// The error is that of the first file that could not be written, and all files are whole.
#[test]
fn an_error_of_the_other_thread_ends_the_run() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let mut simulation = exchanging();
    let mut output = Output::create(&folder, &mut simulation, OutputOptions::default()).unwrap();
    let file = folder.join("replica_0001.xtc");
    let error = in_background(&mut output, |queue| {
        let mut frames = 0;
        let mut write = |frame: &Frame, _: &mut Control| {
            frames += 1;
            if frames == 3 {
                std::fs::write(&file, "another program").unwrap();
            }
            queue.write(frame)
        };
        simulation.run_with(1_000_000, 1, &mut write)
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("replica_0001.xtc: length"), "{error}");
    let first = molly::XTCReader::open(folder.join("replica_0000.xtc")).unwrap();
    let n_frames = { first }.read_all_frames().unwrap().len();
    let rows = std::fs::read_to_string(folder.join("energies.csv")).unwrap().lines().count() - 1;
    assert!(n_frames <= 2 && rows == 2 * n_frames, "{n_frames} frames, {rows} rows");

    // An error of the run itself, with everything before it in the files.
    let folder = temporary.path().join("other");
    let mut simulation = exchanging();
    let mut output = Output::create(&folder, &mut simulation, OutputOptions::default()).unwrap();
    let error = in_background(&mut output, |queue| {
        simulation.run_with(20, 1, &mut Queued(queue))?;
        Err::<(), _>(Error::invalid("run", "an error", "none"))
    });
    assert!(error.unwrap_err().to_string().starts_with("run: "));
    assert_eq!(output.last_frame(), Some(20));
}

#[test]
fn molecules_of_different_sizes_have_a_topology_each() {
    let settings = Settings { n_replicas: 3, first_replica: 10, ..Settings::default() };
    let mut simulation = simulation(&[chain(4), chain(15)], &settings);

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
