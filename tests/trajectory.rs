//! The program on trajectories and on mixtures of molecules.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use flashschnet::io::native::{read_structures, write_model, write_structures};
use flashschnet::io::{FrameFormat, Trajectory, TrajectoryWriter};
use flashschnet::model::{Model, PriorForm, PriorParameters};
use flashschnet::structure::{Structure, Topology, TupleList};
use npyz::WriterBuilder;

use crate::common::dcd::Dcd;
use crate::common::program::{
    PROGRAM, program, small_files, small_system, stderr, stdout, with_system,
};
use crate::common::small;

/// Frames of the small chain, Å. The first is its first structure; the others are displaced from
/// it.
fn frames(n: usize) -> Vec<Vec<[f32; 3]>> {
    let start = small::structures().swap_remove(0).positions;
    let moved = |f: usize, i: usize, x: [f64; 3]| {
        std::array::from_fn(|c| {
            (x[c] + 0.3 * ((f * 7 + i * 3 + c) as f64).sin() * (f > 0) as u8 as f64) as f32
        })
    };
    (0..n).map(|f| start.iter().enumerate().map(|(i, x)| moved(f, i, *x)).collect()).collect()
}

fn doubles(frame: &[[f32; 3]]) -> Vec<[f64; 3]> {
    frame.iter().map(|x| x.map(f64::from)).collect()
}

pub(crate) fn npy(path: &Path, shape: &[u64], fortran: bool, values: &[f64], single: bool) {
    let order = if fortran { npyz::Order::Fortran } else { npyz::Order::C };
    let file = std::fs::File::create(path).unwrap();
    if single {
        let options = npyz::WriteOptions::new().shape(shape).order(order);
        let mut writer = options.default_dtype().writer(file).begin_nd().unwrap();
        writer.extend(values.iter().map(|x| *x as f32)).unwrap();
        writer.finish().unwrap();
    } else {
        let options = npyz::WriteOptions::new().shape(shape).order(order);
        let mut writer = options.default_dtype().writer(file).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
    }
}

fn energy(arguments: &[&str]) -> Output {
    let mut all = vec!["energy"];
    all.extend(small_system());
    all.extend(arguments);
    program(&all)
}

/// The rows of a CSV table on standard output, without the header.
fn rows(output: &Output) -> Vec<Vec<f64>> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stdout(output);
    text.lines().skip(1).map(|row| row.split(',').map(|x| x.parse().unwrap()).collect()).collect()
}

/// The energies of frames that are stored as structures in a native file.
fn as_structures(folder: &Path, frames: &[Vec<[f32; 3]>]) -> Vec<Vec<f64>> {
    let topology = small::structures()[0].topology.clone();
    let structure = |frame: &Vec<[f32; 3]>| Structure {
        topology: topology.clone(),
        positions: doubles(frame),
        velocities: None,
    };
    let path = folder.join("frames.safetensors");
    write_structures(&path, &frames.iter().map(structure).collect::<Vec<_>>()).unwrap();
    let model = small_files()[0].to_str().unwrap();
    let structures = path.to_str().unwrap();
    let arguments = ["energy", "--model", model, "--structures", structures, "--csv"];
    rows(&program(&[&arguments[..], &["--backend", "reference"]].concat()))
}

/// DCD and `.npy` trajectories have the same energies, to the bit, as the same structures; XTC
/// rounds positions. There are more frames than fit in a batch.
#[test]
fn frames_have_the_energies_of_structures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let frames = frames(70);
    let expected = as_structures(folder.path(), &frames);
    let n = small::N_BEADS as u64;

    std::fs::write(path("x.dcd"), Dcd { cell: true, ..Dcd::default() }.bytes(&frames)).unwrap();
    let numbers: Vec<f64> = frames.iter().flatten().flatten().map(|x| f64::from(*x)).collect();
    npy(&path("c.npy"), &[70, n, 3], false, &numbers, true);
    // In Fortran order the first axis varies fastest.
    let at = |f: usize, k: usize| numbers[f * 3 * n as usize + k];
    let scattered: Vec<f64> = (0..3)
        .flat_map(|c| (0..n as usize).flat_map(move |i| (0..70).map(move |f| (f, 3 * i + c))))
        .map(|(f, k)| at(f, k))
        .collect();
    npy(&path("fortran.npy"), &[70, n, 3], true, &scattered, false);
    for name in ["x.dcd", "c.npy", "fortran.npy"] {
        let file = path(name);
        let found = rows(&energy(&["--trajectory", file.to_str().unwrap(), "--csv", "--terms"]));
        assert_eq!(found.len(), 70, "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found[..], expected[..found.len()], "{name}");
        }
    }

    // XTC rounds positions to 0.01 Å, so the energies differ a little.
    let mut writer = TrajectoryWriter::create(&path("x.xtc"), FrameFormat::Xtc).unwrap();
    for (f, frame) in frames.iter().enumerate() {
        writer.write(f as u64, 0.0, &doubles(frame)).unwrap();
    }
    let file = path("x.xtc");
    let found = rows(&energy(&["--trajectory", file.to_str().unwrap(), "--csv"]));
    assert_eq!(found.len(), 70);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.len(), 2);
        assert!((found[1] - expected[1]).abs() < 0.05 * expected[1].abs().max(10.0), "{found:?}");
    }
    let strided = energy(&["--trajectory", file.to_str().unwrap(), "--csv", "--stride", "25"]);
    let every: Vec<Vec<f64>> = found.iter().step_by(25).cloned().collect();
    assert_eq!(rows(&strided), every);
    let table = stdout(&energy(&["--trajectory", file.to_str().unwrap(), "--stride", "69"]));
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.trim_start().starts_with("frame") && !table.contains("force"), "{table}");
}

/// mlcg's arrays have the replicas on the first axis. The stride applies within each replica.
#[test]
fn arrays_of_replicas_are_read_replica_by_replica() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let arguments = ["--replicas", "2", "--steps", "60", "--save-interval", "10", "--npy"];
    assert!(with_system("run", &arguments, &run).output().unwrap().status.success());
    let file = run.join("run_coords_0000.npy");
    let file = file.to_str().unwrap();
    let found = rows(&energy(&["--trajectory", file, "--csv", "--stride", "4"]));
    let numbers: Vec<Vec<f64>> = found.iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(numbers, [[0.0, 0.0], [0.0, 4.0], [1.0, 0.0], [1.0, 4.0]]);
    let table = std::fs::read_to_string(run.join("energies.csv")).unwrap();
    let potential = |step: &str, replica: &str| -> f64 {
        let row = |line: &&str| line.starts_with(step) && line.split(',').nth(2) == Some(replica);
        table.lines().find(row).unwrap().split(',').nth(3).unwrap().parse().unwrap()
    };
    for (row, expected) in found.iter().zip([
        potential("10,", "0"),
        potential("50,", "0"),
        potential("10,", "1"),
        potential("50,", "1"),
    ]) {
        assert!((row[2] - expected).abs() < 1e-3 * expected.abs().max(1.0), "{row:?} {expected}");
    }
}

#[test]
fn an_output_has_forces_of_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("x.dcd"), folder.path().join("out.safetensors"));
    std::fs::write(&file, Dcd::default().bytes(&frames(3))).unwrap();
    let arguments = ["--trajectory", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let output = energy(&arguments);
    assert!(stdout(&output).contains("largest force"), "{}", stderr(&output));
    let bytes = std::fs::read(&out).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, ["energy_total", "first_bead", "forces_total"]);
    assert_eq!(tensors.tensor("forces_total").unwrap().shape(), [3, 12, 3]);
}

#[test]
fn bad_trajectories_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let frames = frames(3);
    let mut writer = TrajectoryWriter::create(&path("sound.xtc"), FrameFormat::Xtc).unwrap();
    let mut starts = Vec::new();
    for frame in &frames {
        starts.push(std::fs::metadata(path("sound.xtc")).unwrap().len() as usize);
        writer.write(0, 0.0, &doubles(frame)).unwrap();
    }
    let sound = std::fs::read(path("sound.xtc")).unwrap();
    std::fs::write(path("cut.xtc"), &sound[..sound.len() - 7]).unwrap();
    let mut bad = sound.clone();
    // An index of a size beyond the decoder's table, where the decoder panics.
    bad[starts[1] + 56 + 28..starts[1] + 56 + 32].fill(0x7f);
    std::fs::write(path("bad.xtc"), &bad).unwrap();
    let mut more = sound.clone();
    more[7] = 200;
    std::fs::write(path("beads.xtc"), &more).unwrap();
    let mut other = TrajectoryWriter::create(&path("other.xtc"), FrameFormat::Xtc).unwrap();
    other.write(0, 0.0, &doubles(&frames[0])[..5]).unwrap();
    let mut nan = frames.clone();
    nan[2][4][0] = f32::INFINITY;
    std::fs::write(path("nan.dcd"), Dcd::default().bytes(&nan)).unwrap();
    std::fs::write(path("wide.dcd"), Dcd { marker: 8, ..Dcd::default() }.bytes(&frames)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("text"), "frame 1").unwrap();
    npy(&path("flat.npy"), &[3, 36], false, &[0.0; 108], true);
    npy(&path("other.npy"), &[2, 5, 3], false, &[0.0; 30], true);
    npy(&path("none.npy"), &[0, 12, 3], false, &[], true);
    npy(&path("cut.npy"), &[3, 12, 3], false, &[0.0; 108], true);
    let cut = std::fs::read(path("cut.npy")).unwrap();
    std::fs::write(path("cut.npy"), &cut[..cut.len() - 4]).unwrap();
    let nested = [b"\x93NUMPY\x01\0".to_vec(), vec![0, 8], vec![b'('; 2048]].concat();
    std::fs::write(path("nested.npy"), nested).unwrap();
    for (name, message) in [
        ("cut.xtc", "frame 2: found the end of the file"),
        ("bad.xtc", "frame 1: found coordinates that do not decode, expected a valid XTC frame"),
        ("beads.xtc", "frame 0: found two numbers of beads, 200 and 12"),
        ("other.xtc", "frame 0: found 5 beads, expected 12, those of the molecule"),
        ("nan.dcd", "frame 2, bead 4: found [inf, "),
        ("wide.dcd", "a DCD file with 64-bit record markers is not supported"),
        ("empty", "content: found an empty file, expected a trajectory"),
        ("text", "content: found a text that starts with"),
        ("flat.npy", "shape: found [3, 36], expected (frames, beads, 3), (replicas"),
        ("other.npy", "frames: found 5 beads, expected 12"),
        ("none.npy", "frames: found none"),
        ("cut.npy", "data: found 428 bytes of data"),
        ("nested.npy", "header: found unknown content"),
        ("nowhere.xtc", no_file!("")),
    ] {
        let file = path(name);
        let output = energy(&["--trajectory", file.to_str().unwrap()]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        let one_line = said.lines().count() == 1 && said.starts_with("error: ");
        assert!(one_line && said.contains(file.to_str().unwrap()), "{name}: {said}");
        assert!(said.contains(message), "{name}: {said}");
    }
    let file = path("sound.xtc");
    let file = file.to_str().unwrap();
    for (arguments, message) in [
        (["--stride", "0"], "stride: found 0"),
        (["--structure", "2"], "structure: found 2, expected one of the 2 structures"),
    ] {
        let output = energy(&[&["--trajectory", file][..], &arguments].concat());
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    // The program prints the frames before the damage.
    let bad = path("bad.xtc");
    let output = energy(&["--trajectory", bad.to_str().unwrap()]);
    assert_eq!(stdout(&output).lines().count(), 2, "{}", stdout(&output));
}

/// Writes the small chain's model with bead types as keys, and two files with four molecules.
fn mixture(folder: &Path) -> [PathBuf; 3] {
    let keyed = |(form, values): (PriorForm, [f64; 3])| {
        let order = form.order() as u32;
        let key =
            |i: u32| std::array::from_fn(|k| if (k as u32) < order { i + k as u32 } else { 0 });
        let keys: Vec<[u32; 4]> = (1..=13 - order).map(key).collect();
        PriorParameters::Keyed { values: values.repeat(keys.len()), keys }
    };
    let mut model = small::model();
    model.priors[0].parameters = keyed((PriorForm::HarmonicBond, [50.0, 3.8, 0.0]));
    model.priors[1].parameters = keyed((PriorForm::HarmonicAngle, [5.0, -0.3, 0.0]));
    let cut = |n: usize| {
        let whole = small::structures().swap_remove(1);
        let mut topology: Topology = (*whole.topology).clone();
        topology.types.truncate(n);
        topology.masses.truncate(n);
        for list in &mut topology.lists {
            let inside = |tuple: &[u32; 4]| tuple.iter().all(|bead| (*bead as usize) < n);
            list.tuples.retain(inside);
        }
        let positions = whole.positions[..n].to_vec();
        Structure { topology: Arc::new(topology), positions, velocities: None }
    };
    let files = ["keyed.safetensors", "a.safetensors", "b.safetensors"].map(|f| folder.join(f));
    write_model(&files[0], &model).unwrap();
    write_structures(&files[1], &[cut(12), cut(1)]).unwrap();
    write_structures(&files[2], &[cut(2), cut(5)]).unwrap();
    files
}

fn mixed(files: &[PathBuf; 3], command: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(PROGRAM);
    program.args([command, "--backend", "cpu", "--model"]).arg(&files[0]);
    program.arg("--structures").args(&files[1..]).args(arguments).output().unwrap()
}

/// Four molecules from two files in one run. Each replica has its own files, with the same contents
/// as in a run of its molecule alone.
#[test]
fn a_mixture_runs_as_its_molecules_alone() {
    let folder = tempfile::tempdir().unwrap();
    let files = mixture(folder.path());
    let out = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let steps = ["--steps", "20", "--save-interval", "5"];
    let kelvin: Vec<String> = (0..6).map(|r| (300 + 10 * r).to_string()).collect();
    let many = out("many");
    let all = ["--replicas", "6", "--temperature", &kelvin.join(","), "-o", &text(&many)];
    let output = mixed(&files, "run", &[&steps[..], &all].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let log = std::fs::read_to_string(many.join("run.log")).unwrap();
    for line in [
        "6 from number 0, 33 beads, 4 different molecules",
        "topology_0000.pdb: replicas 0, 4",
        "topology_0003.pdb: replicas 3",
        "temperature: 300, 310, 320, 330, 340, 350 K",
    ] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    for (m, n_beads) in [12, 1, 2, 5].into_iter().enumerate() {
        let pdb = std::fs::read_to_string(many.join(format!("topology_{m:04}.pdb"))).unwrap();
        assert_eq!(pdb.lines().filter(|line| line.starts_with("ATOM")).count(), n_beads);
    }
    for (r, own_kelvin) in kelvin.iter().enumerate() {
        let alone = out(&format!("alone{r}"));
        let first = r.to_string();
        let own = ["--replicas", "1", "--first-replica", &first, "--temperature", own_kelvin];
        let output = mixed(&files, "run", &[&steps[..], &own, &["-o", &text(&alone)]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let read = |folder: &Path| std::fs::read(folder.join(format!("replica_{r:04}.xtc")));
        assert_eq!(read(&many).unwrap(), read(&alone).unwrap(), "replica {r}");
        let rows = |folder: &Path| -> Vec<String> {
            let text = std::fs::read_to_string(folder.join("energies.csv")).unwrap();
            let of_replica = |row: &&str| row.split(',').nth(2) == Some(&first);
            text.lines().filter(of_replica).map(str::to_owned).collect()
        };
        assert_eq!((rows(&many), rows(&many).len()), (rows(&alone), 4));
    }
    // The picture of the report takes the topology of its replica. One molecule has a single bead.
    for first in 0..4 {
        let page = std::fs::read_to_string(many.join("report.html")).unwrap();
        assert!(page.contains(&format!("<p>Replica {first}: its first and its last frame")));
        assert_eq!(page.matches("<g class=\"tube\"").count(), 2, "replica {first}");
        if first < 3 {
            std::fs::remove_file(many.join(format!("replica_{first:04}.xtc"))).unwrap();
            let output = program(&["report", many.to_str().unwrap()]);
            assert!(output.status.success(), "{}", stderr(&output));
        }
    }
    // The program does not overwrite files of an earlier run of a mixture.
    std::fs::remove_file(many.join("run.log")).unwrap();
    std::fs::remove_file(many.join("energies.csv")).unwrap();
    let again = mixed(&files, "run", &[&steps[..], &all].concat());
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));

    // A trajectory of the mixture is scored with the structure of its molecule.
    let xtc = text(&many.join("replica_0003.xtc"));
    let scored = mixed(&files, "energy", &["--trajectory", &xtc, "--structure", "3", "--csv"]);
    assert_eq!(rows(&scored).len(), 4);
    let wrong = mixed(&files, "energy", &["--trajectory", &xtc]);
    assert!(stderr(&wrong).contains("found 5 beads, expected 12"), "{}", stderr(&wrong));
}

#[test]
fn a_mixture_is_scored_and_its_limits_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = mixture(folder.path());
    let output = mixed(&files, "energy", &[]);
    let table = stdout(&output);
    assert_eq!(table.lines().count(), 5, "{}", stderr(&output));
    let cells: Vec<&str> = table.lines().nth(2).unwrap().split_whitespace().collect();
    // A single bead has no bonds and no angles.
    assert_eq!((cells[0], cells[3], cells[4]), ("1", "-", "-"), "{table}");
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let npy = mixed(&files, "run", &["--steps", "10", "--replicas", "4", "--npy", "-o", out]);
    let said = stderr(&npy);
    assert!(said.contains("an array of molecules of different sizes is not supported"), "{said}");

    // Parameters for each tuple fit a single molecule only.
    let [specialised, _] = small_files();
    let files = [specialised.clone(), files[1].clone(), files[2].clone()];
    for command in [&["energy"][..], &["run", "--steps", "10", "-o", out]] {
        let output = mixed(&files, command[0], &command[1..]);
        let said = stderr(&output);
        let message = "structure 1, prior/bonds: found another molecule than in structure 0";
        assert!(said.starts_with("error: ") && said.contains(message), "{said}");
        assert!(!Path::new(out).exists());
    }
}

/// A table with many terms has one line per term. Terms without tuples are marked.
#[test]
fn many_terms_are_lines_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let [_, a, b] = mixture(folder.path());
    let mut model: Model = small::model();
    for k in 0..50 {
        let mut prior = model.priors[0].clone();
        prior.name = format!("term_{k}");
        let (keys, values) = (vec![[1, 2, 0, 0]], vec![1.0, 3.8, 0.0]);
        prior.parameters = PriorParameters::Keyed { keys, values };
        model.priors.push(prior);
    }
    model.priors.drain(..2);
    let path = folder.path().join("many.safetensors");
    write_model(&path, &model).unwrap();
    for file in [&a, &b] {
        let mut structures = read_structures(file).unwrap();
        for structure in &mut structures {
            let mut topology = (*structure.topology).clone();
            let empty = |k| TupleList { name: format!("term_{k}"), order: 2, tuples: Vec::new() };
            topology.lists.extend((0..50).map(empty));
            structure.topology = Arc::new(topology);
        }
        std::fs::remove_file(file).unwrap();
        write_structures(file, &structures).unwrap();
    }
    let output = mixed(&[path, a, b], "energy", &[]);
    let table = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let find = |name: &str| -> Vec<&str> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().collect()
    };
    assert_eq!(find("structure"), ["0", "1", "2", "3"]);
    assert_eq!(find("term_49"), ["-"; 4]);
    assert_eq!(find("total").len(), 4);
    assert!(table.lines().all(|line| line.len() < 100), "{table}");
}

/// Every format can go on at any frame whose place is known, in a file that is read or newly opened.
#[test]
fn trajectories_go_on_from_marks() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let frames = frames(9);
    let n = u64::from(small::N_BEADS);
    // The beads that are not free keep the positions of the first frame.
    let free = vec![2, 3, 9];
    let fixed: Vec<Vec<[f32; 3]>> = frames
        .iter()
        .map(|frame| {
            let of_bead = |(k, x): (usize, &[f32; 3])| {
                if free.contains(&(k as u32 + 1)) { *x } else { frames[0][k] }
            };
            frame.iter().enumerate().map(of_bead).collect()
        })
        .collect();
    std::fs::write(path("x.dcd"), Dcd { cell: true, ..Dcd::default() }.bytes(&frames)).unwrap();
    std::fs::write(path("fixed.dcd"), Dcd { free, ..Dcd::default() }.bytes(&fixed)).unwrap();
    let numbers: Vec<f64> = frames.iter().flatten().flatten().map(|x| f64::from(*x)).collect();
    npy(&path("c.npy"), &[3, 3, n, 3], false, &numbers, true);
    // torchmd's shape, and Fortran order, in which replicas vary fastest.
    let at = |f: usize, i: usize, c: usize| f64::from(frames[f][i][c]);
    let beads = 0..n as usize;
    let of_beads = || beads.clone().flat_map(|i| (0..3).map(move |c| (i, c)));
    let last: Vec<f64> = of_beads().flat_map(|(i, c)| (0..9).map(move |f| at(f, i, c))).collect();
    npy(&path("last.npy"), &[n, 3, 9], false, &last, false);
    let places = (0..3).flat_map(|c| beads.clone().map(move |i| (i, c)));
    let order = |(i, c)| (0..3).flat_map(move |f| (0..3).map(move |r| at(3 * r + f, i, c)));
    npy(
        &path("first.npy"),
        &[3, 3, n, 3],
        true,
        &places.flat_map(order).collect::<Vec<_>>(),
        false,
    );
    let mut writer = TrajectoryWriter::create(&path("x.xtc"), FrameFormat::Xtc).unwrap();
    for (f, frame) in frames.iter().enumerate() {
        writer.write(50 * f as u64, 0.25 * f as f64, &doubles(frame)).unwrap();
    }
    for name in ["x.dcd", "fixed.dcd", "c.npy", "last.npy", "first.npy", "x.xtc"] {
        let open = || Trajectory::open(&path(name), n as usize).unwrap();
        let mut trajectory = open();
        let mut marks = Vec::new();
        let mut whole = Vec::new();
        for f in 0..9 {
            marks.push(trajectory.mark());
            // Marks are the same after frames that were skipped.
            if f % 3 == 2 {
                assert!(trajectory.skip().unwrap());
                let stamp = trajectory.stamp();
                trajectory.go_to(marks[f]).unwrap();
                whole.push(trajectory.read().unwrap().unwrap());
                assert_eq!(trajectory.stamp(), stamp);
            } else {
                whole.push(trajectory.read().unwrap().unwrap());
            }
        }
        let expected = if name == "fixed.dcd" { &fixed } else { &frames };
        for (f, (found, expected)) in whole.iter().zip(expected).enumerate() {
            for (x, y) in found.as_flattened().iter().zip(doubles(expected).as_flattened()) {
                let tolerance = if name == "x.xtc" { 0.0051 } else { 0.0 };
                assert!((x - y).abs() <= tolerance, "{name}, frame {f}: {x}, {y}");
            }
        }
        assert!(trajectory.read().unwrap().is_none());
        let mut other = open();
        for f in [5, 6, 1, 8, 0, 4] {
            for trajectory in [&mut trajectory, &mut other, &mut open()] {
                trajectory.go_to(marks[f]).unwrap();
                assert_eq!(trajectory.frame(), f as u64);
                assert_eq!(trajectory.read().unwrap().unwrap(), whole[f], "{name}, frame {f}");
                let expected = match name {
                    "x.xtc" => Some((50 * f as u64, 0.25 * f as f64)),
                    "x.dcd" | "fixed.dcd" => trajectory.stamp(),
                    _ => None,
                };
                assert_eq!(trajectory.stamp(), expected);
            }
        }
    }
}
