//! The program as a user runs it: files, messages and exit codes.

use std::path::Path;

use flashschnet::io::native::{write_model, write_structures};
use flashschnet::model::{Prior, PriorForm, PriorParameters};
use flashschnet::structure::TupleList;
use npyz::WriterBuilder as _;

use crate::common::program::{npy, program, small_files, stderr, stdout, table, with_system, xtc};
use crate::common::small;

#[test]
fn run_writes_files_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("new/run");
    let arguments = ["--replicas", "3", "--steps", "40", "--save-interval", "10", "--npy"];
    let output = with_system("run", &arguments, &run).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    for word in ["40/40 steps", "ns/day per replica", "aggregate", "replica_0002.xtc", "run.log"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }

    let (shape, coords) = npy::<f32>(run.join("run_coords_0000.npy"));
    let n_beads = shape[2];
    assert_eq!(shape, [3, 4, n_beads, 3]);
    for r in 0..3 {
        let frames = xtc(&run.join(format!("replica_{r:04}.xtc")));
        assert_eq!(frames.len(), 4);
        for (f, frame) in frames.iter().enumerate() {
            assert_eq!((frame.step as usize, frame.natoms()), (10 * (f + 1), n_beads));
            assert!((frame.time - 0.04 * (f + 1) as f32).abs() < 1e-6);
            let start = (r * 4 + f) * n_beads * 3;
            for (nm, x) in frame.positions.iter().zip(&coords[start..]) {
                assert!((10.0 * nm - x).abs() < 0.0051, "{nm} nm is not {x} Å");
            }
        }
    }
    let rows = table(&run.join("energies.csv"));
    assert_eq!(rows.len(), 12);
    let (shape, potential) = npy::<f32>(run.join("run_potential_0000.npy"));
    assert_eq!(shape, [3, 4]);
    let (_, kinetic) = npy::<f32>(run.join("run_kineticenergy_0000.npy"));
    for (k, row) in rows.iter().enumerate() {
        let (f, r) = (k / 3, k % 3);
        assert_eq!((row[0], row[2]), (10.0 * (f + 1) as f64, r as f64));
        assert!((row[3] - f64::from(potential[r * 4 + f])).abs() < 1e-4);
        assert!((row[4] - f64::from(kinetic[r * 4 + f])).abs() < 1e-4);
        let kelvin = 2.0 * row[4] / (3.0 * n_beads as f64 * flashschnet::units::BOLTZMANN);
        assert!((row[5] - kelvin).abs() < 0.01);
    }
    let topology = std::fs::read_to_string(run.join("topology.pdb")).unwrap();
    assert_eq!(topology.lines().filter(|line| line.starts_with("ATOM")).count(), n_beads);
    let log = std::fs::read_to_string(run.join("run.log")).unwrap();
    for word in [
        "flashschnet 0.",
        "device: ",
        "seed: 7",
        "temperature: 300 K",
        "dt: 0.004 ps",
        "\nfriction: 1 1/ps",
    ] {
        assert!(log.contains(word), "{word} is not in {log}");
    }
}

#[test]
fn a_replica_alone_has_the_files_it_has_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let (many, alone) = (folder.path().join("many"), folder.path().join("alone"));
    let arguments = ["--steps", "20", "--save-interval", "5"];
    let mut command = with_system("run", &arguments, &many);
    assert!(command.args(["--replicas", "4"]).status().unwrap().success());
    let mut command = with_system("run", &arguments, &alone);
    command.args(["--replicas", "1", "--first-replica", "2"]);
    assert!(command.status().unwrap().success());
    let read = |folder: &Path| std::fs::read(folder.join("replica_0002.xtc")).unwrap();
    assert_eq!(read(&many), read(&alone));
}

#[test]
fn an_earlier_run_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let arguments = ["--replicas", "1", "--steps", "2"];
    assert!(with_system("run", &arguments, &run).status().unwrap().success());
    let before = std::fs::read(run.join("replica_0000.xtc")).unwrap();
    let again = with_system("run", &arguments, &run).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));
    assert_eq!(std::fs::read(run.join("replica_0000.xtc")).unwrap(), before);
    // A single file of an earlier run is enough.
    let part = folder.path().join("part");
    std::fs::create_dir(&part).unwrap();
    std::fs::write(part.join("replica_0007.xtc"), "").unwrap();
    let refused = with_system("run", &arguments, &part).output().unwrap();
    assert!(stderr(&refused).contains("replica_0007.xtc: already exists"));
    assert_eq!(std::fs::read_dir(&part).unwrap().count(), 1);
}

#[test]
fn overdamped_and_nve_run() {
    let folder = tempfile::tempdir().unwrap();
    for (integrator, dt) in [("overdamped", "0.0001"), ("nve", "0.002")] {
        let run = folder.path().join(integrator);
        let arguments = ["--integrator", integrator, "--dt", dt, "--replicas", "2", "--npy"];
        let mut command = with_system("run", &arguments, &run);
        let output = command.args(["--steps", "10", "--temperature", "300,310"]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let rows = table(&run.join("energies.csv"));
        assert_eq!(rows.len(), 2);
        let overdamped = integrator == "overdamped";
        assert_eq!(rows[0][4].is_nan(), overdamped);
        assert_eq!(run.join("run_kineticenergy_0000.npy").exists(), !overdamped);
    }
}

/// The number of steps need not be a multiple of the save interval.
#[test]
fn the_last_interval_can_be_shorter() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["--steps", "25", "--save-interval", "10"], &[10.0, 20.0, 25.0][..]),
        (["--steps", "20", "--save-interval", "10"], &[10.0, 20.0]),
        (["--steps", "7", "--save-interval", "10"], &[7.0]),
        // The default interval.
        (["--steps", "521", "--replicas", "1"], &[250.0, 500.0, 521.0]),
    ] {
        let run = folder.path().join(arguments.concat());
        let mut command = with_system("run", &["--npy"], &run);
        if !arguments.contains(&"--replicas") {
            command.args(["--replicas", "1"]);
        }
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let steps: Vec<f64> = table(&run.join("energies.csv")).iter().map(|row| row[0]).collect();
        assert_eq!(steps, expected);
        let frames = xtc(&run.join("replica_0000.xtc"));
        assert_eq!(frames.iter().map(|frame| f64::from(frame.step)).collect::<Vec<_>>(), expected);
        assert_eq!(npy::<f32>(run.join("run_potential_0000.npy")).0, [1, expected.len()]);
        let log = std::fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains(" and at the end") && log.ends_with(" aggregate\n"), "{log}");
    }
}

#[test]
fn a_blow_up_keeps_the_frames_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let arguments = ["--replicas", "2", "--steps", "4000", "--save-interval", "2", "--dt", "0.07"];
    let output = with_system("run", &arguments, &run).arg("--npy").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("blew up at step"), "{said}");
    let rows = table(&run.join("energies.csv"));
    assert!(rows.iter().flatten().all(|x| x.is_finite()));
    let (shape, _) = npy::<f32>(run.join("run_coords_0000.npy"));
    for r in 0..2 {
        let frames = xtc(&run.join(format!("replica_{r:04}.xtc")));
        assert_eq!((frames.len(), shape[1]), (rows.len() / 2, rows.len() / 2));
    }
    assert!(std::fs::read_to_string(run.join("run.log")).unwrap().contains("error: "));
}

/// A replica that is too hot exceeds the limit of the force, and the others go on.
#[test]
fn a_frozen_replica_ends_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let hot = ["--replicas", "3", "--temperature", "300,30000,300", "--max-force", "150"];
    let arguments = [&hot[..], &["--steps", "100", "--save-interval", "5"]].concat();
    let output = with_system("run", &arguments, &run).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stopped = stderr(&output);
    let output = with_system("run", &arguments, &folder.path().join("run2"))
        .args(["--on-blow-up", "freeze", "--npy"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let (run, said) = (folder.path().join("run2"), stderr(&output));
    let log = std::fs::read_to_string(run.join("run.log")).unwrap();
    for text in [&stopped, &said, &log] {
        assert!(text.contains("replica 1 blew up at step "), "{text}");
        assert!(text.contains(" kcal/mol/Å, the limit 1.5e2; the largest force on "), "{text}");
        assert_eq!(text.matches("blew up").count(), 1, "{text}");
    }
    assert!(log.contains("bond 3 rest lengths; on a blow-up: freeze\n"), "{log}");
    let step = said.split_once("blew up at step ").unwrap().1.split(':').next().unwrap();
    let step: usize = step.parse().unwrap();
    let good = (step - 1) / 5;
    assert!(said.contains(&format!("; its last good state is of step {}; ", 5 * good)), "{said}");
    assert!((1..20).contains(&good), "{said}");
    for (r, frames) in [(0, 20), (1, good), (2, 20)] {
        assert_eq!(xtc(&run.join(format!("replica_{r:04}.xtc"))).len(), frames);
        let rows = table(&run.join("energies.csv")).into_iter().filter(|row| row[2] == r as f64);
        assert_eq!(rows.count(), frames);
        for name in ["coords", "potential", "kineticenergy"] {
            let (shape, values) = npy::<f32>(run.join(format!("run_{name}_0000.npy")));
            assert_eq!(shape[..2], [3, 20]);
            let width = values.len() / 60;
            for (f, frame) in values[20 * r * width..20 * (r + 1) * width].chunks(width).enumerate()
            {
                assert!(frame.iter().all(|x| x.is_nan() == (f >= frames)), "{name} {r} {f}");
            }
        }
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let arguments = ["--replicas", "3", "--steps", "47", "--save-interval", "10", "--dry-run"];
    let output = with_system("run", &arguments, &run).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("replicas: 3, 36 beads") && said.contains("frames: 5, about"), "{said}");
    assert!(said.contains("(--dry-run)") && !run.exists(), "{said}");
    // It refuses what a run refuses.
    let overdamped = ["--integrator", "overdamped", "--dt", "1e-4", "--friction", "500"];
    let more = [&arguments[..], &overdamped, &["--velocities"]].concat();
    let output = with_system("run", &more, &run).output().unwrap();
    assert!(
        stderr(&output).contains("leave out the velocities (--velocities)"),
        "{}",
        stderr(&output)
    );
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("energies.csv"), "").unwrap();
    let output = with_system("run", &arguments, &run).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("already exists"), "{}", stderr(&output));
}

#[test]
fn equilibration_has_no_frames() {
    let folder = tempfile::tempdir().unwrap();
    let [all, late] = ["all", "late"].map(|name| folder.path().join(name));
    let common = ["--replicas", "2", "--steps", "47", "--save-interval", "10", "--npy"];
    let output = with_system("run", &common, &all).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let arguments = [&common[..], &["--equilibration-steps", "20"]].concat();
    let output = with_system("run", &arguments, &late).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = table(&all.join("energies.csv"));
    assert_eq!(table(&late.join("energies.csv")), rows[4..]);
    assert_eq!(xtc(&late.join("replica_0001.xtc"))[..], xtc(&all.join("replica_0001.xtc"))[2..]);
    assert_eq!(npy::<f32>(late.join("run_potential_0000.npy")).0, [2, 3]);
    for (run, frames) in
        [(&all, "frames: 5, every 10\n"), (&late, "frames: 3, every 10 after step 20\n")]
    {
        let log = std::fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains(frames) && log.contains(" beads, 1 molecule\n"), "{log}");
    }
    let arguments = [&common[..], &["--equilibration-steps", "47"]].concat();
    let output = with_system("run", &arguments, &folder.path().join("none")).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("equilibration-steps: found 47, expected fewer than the 47"), "{said}");
}

#[test]
fn energy_terms_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("energies.safetensors");
    let output = with_system("energy", &[], &file).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.starts_with("structure") && table.contains("largest force"), "{table}");

    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), safetensors::Dtype::F64);
        view.data().as_chunks::<8>().0.iter().map(|x| f64::from_le_bytes(*x)).collect()
    };
    for what in ["energy", "forces"] {
        let total = values(&format!("{what}_total"));
        let mut sum = vec![0.0; total.len()];
        for name in tensors.names() {
            if name.starts_with(&format!("{what}/")) {
                sum.iter_mut().zip(values(name)).for_each(|(sum, x)| *sum += x);
            }
        }
        for (sum, total) in sum.iter().zip(&total) {
            assert!((sum - total).abs() < 1e-9 * (1.0 + total.abs()), "{sum} is not {total}");
        }
    }
    let n_structures = values("energy_total").len();
    assert_eq!(table.lines().count(), n_structures + 1);
    let first = table.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap();
    assert!((first.parse::<f64>().unwrap() - values("energy_total")[0]).abs() < 1e-5);
    let again = with_system("energy", &[], &file).output().unwrap();
    assert!(!again.status.success() && stderr(&again).contains("already exists"));
}

/// Inputs that can be read only once, and from their start to their end.
#[cfg(unix)]
#[test]
fn models_and_structures_can_come_from_pipes() {
    use std::process::{Command, Stdio};

    use crate::pt;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, value: &pt::Py| std::fs::write(path(name), pt::file(value)).unwrap();
    write("chain.pt", &pt::structure(vec![]));
    write("priors.pt", &pt::module_dict(pt::keyed_priors()));
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    // `$0` is the program. `cat` makes a pipe of a file.
    let piped = |script: &str, arguments: &[&str]| {
        let mut shell = Command::new("bash");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_flashschnet")]).args(arguments);
        shell.stdin(Stdio::null()).output().unwrap()
    };
    let energy = ["energy", "--csv", "--backend", "reference", "--model"];
    let [priors, chain] = [path("priors.pt"), path("chain.pt")];
    for [model, structures] in [[model, structures], [&priors, &chain]] {
        let expected = program(&[&energy[..], &[model, "--structures", structures]].concat());
        let script = format!(
            "cat \"$2\" | \"$0\" {} <(cat \"$1\") --structures /dev/stdin",
            energy.join(" ")
        );
        let output = piped(&script, &[model, structures]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(!output.stdout.is_empty() && output.stdout == expected.stdout);
    }
    let script = "\"$0\" import <(cat \"$1\") <(cat \"$2\") -o \"$3\"";
    let output = piped(script, &[&priors, &chain, &path("out")]);
    assert!(output.status.success(), "{}", stderr(&output));

    // A run says that a later process cannot read the pipe again, and that process says it too.
    let run = path("run");
    let script = "\"$0\" run --model \"$1\" --structures <(cat \"$2\") --backend reference \
                  --replicas 2 --steps 8 --save-interval 4 -o \"$3\"";
    let output = piped(script, &[model, structures, &run]);
    assert!(output.status.success(), "{}", stderr(&output));
    let log = std::fs::read_to_string(folder.path().join("run/run.log")).unwrap();
    assert!(log.contains("warning: /dev/fd/") && log.contains("--structures"), "{log}");
    let again = ["run", "--resume", &run, "--steps", "16"];
    let output = program(&again);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("give --model and --structures again"), "{}", stderr(&output));
    let output = program(&[&again[..], &["--model", model, "--structures", structures]].concat());
    assert!(output.status.success(), "{}", stderr(&output));

    // A trajectory needs its length.
    let frames = path("run/replica_0000.xtc");
    let script = format!(
        "\"$0\" {} \"$1\" --structures \"$2\" --trajectory <(cat \"$3\")",
        energy.join(" ")
    );
    let output = piped(&script, &[model, structures, &frames]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("trajectory: found a pipe or a device, expected a file"), "{said}");
}

/// A number that is not finite fails the program, after everything was printed and written.
#[test]
fn an_energy_that_is_not_finite_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let [model, structures, file] =
        ["bad.model.safetensors", "structures.safetensors", "energies.safetensors"]
            .map(|name| folder.path().join(name));
    let pairs = vec![[0, 2, 0, 0]];
    let mut of_structures = small::structures();
    // In the second structure the exponent is above 1000.
    of_structures[1].positions[2] = of_structures[1].positions[0].map(|x| x + 0.01);
    let mut topology = (*of_structures[0].topology).clone();
    topology.lists.push(TupleList { name: "apart".into(), order: 2, tuples: pairs });
    let topology = std::sync::Arc::new(topology);
    of_structures.iter_mut().for_each(|structure| structure.topology = topology.clone());
    let mut of_model = small::model();
    of_model.priors.push(Prior {
        name: "apart".into(),
        form: PriorForm::ExpRepulsion,
        parameters: PriorParameters::PerTuple { values: vec![1500.0, 5.0] },
    });
    write_model(&model, &of_model).unwrap();
    write_structures(&structures, &of_structures).unwrap();
    let [model, structures, output] =
        [&model, &structures, &file].map(|path| path.to_str().unwrap());
    let inputs = ["energy", "--model", model, "--structures", structures];
    let run = program(&[&inputs[..], &["--backend", "reference", "-o", output]].concat());
    assert_eq!(run.status.code(), Some(1), "{}", stdout(&run));
    assert!(stdout(&run).lines().count() == 3 && stdout(&run).contains("inf"), "{}", stdout(&run));
    let said = stderr(&run);
    assert!(said.contains("structure 1, energy of apart: found inf"), "{said}");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("energy_total").unwrap().shape(), [2]);

    // The frames of a trajectory: only the total is printed, and the error names the term.
    let frames = folder.path().join("frames.npy");
    let positions = of_structures.iter().flat_map(|structure| structure.positions.as_flattened());
    let file = std::fs::File::create(&frames).unwrap();
    let options = npyz::WriteOptions::new().default_dtype();
    let shape = [2, u64::from(small::N_BEADS), 3];
    let mut writer = options.shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend(positions.copied()).unwrap();
    writer.finish().unwrap();
    let frames = frames.to_str().unwrap();
    let run = program(&[&inputs[..], &["--backend", "reference", "--trajectory", frames]].concat());
    assert_eq!(run.status.code(), Some(1), "{}", stdout(&run));
    assert_eq!(stdout(&run).lines().count(), 3);
    assert!(stderr(&run).contains("frame 1, energy of apart: found inf"), "{}", stderr(&run));
}

#[test]
fn verify_tells_pass_from_fail() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let built_in = program(&["verify", "--backend", "reference"]);
    assert_eq!(built_in.status.code(), Some(0));
    assert!(stdout(&built_in).lines().last().unwrap().contains("6 pass, 0 fail, 0 not supported"));

    let output = program(&["verify", "--backend", "reference", "--json", data]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let reports: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let reports = reports.as_array().unwrap();
    assert!(reports.len() >= 5);
    for report in reports {
        assert_eq!((&report["status"], &report["backend"]), (&"pass".into(), &"reference".into()));
        assert!(report["device"].as_str().unwrap().starts_with("reference"));
        assert!(!report["comparisons"].as_array().unwrap().is_empty());
    }

    // A case whose expected forces are off by a thousandth.
    let folder = tempfile::tempdir().unwrap();
    let name = "cloud_h32_f16_k9_gauss_trainable";
    let copy = |ending: &str| {
        let (from, to) = (Path::new(data).join(name), folder.path().join(name));
        let (from, to) = (from.with_extension(ending), to.with_extension(ending));
        std::fs::copy(from, &to).unwrap();
        to
    };
    let case = copy("json");
    let tensors = copy("safetensors");
    let mut bytes = std::fs::read(&tensors).unwrap();
    let view = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let forces = view.tensor("out/f64/forces_total").unwrap().data();
    let at = forces.as_ptr() as usize - bytes.as_ptr() as usize;
    let force = f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    bytes[at..at + 8].copy_from_slice(&(force + 1e-3).to_le_bytes());
    std::fs::write(&tensors, &bytes).unwrap();
    let output = program(&["verify", "--backend", "reference", case.to_str().unwrap(), data]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    let line = said.lines().next().unwrap();
    assert!(line.contains(" fail ") && line.contains("forces_total[0, 0, 0]"), "{line}");
    assert!(said.lines().last().unwrap().contains("1 fail"), "{said}");
}

#[test]
fn bench_prints_one_object_per_size() {
    let arguments = ["bench", "--backend", "cpu", "--replicas", "1,2", "--steps", "4", "--json"];
    let output = program(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let sizes = sizes.as_array().unwrap();
    assert_eq!(sizes.len(), 2);
    for (size, replicas) in sizes.iter().zip([1.0, 2.0]) {
        let number = |key: &str| size[key].as_f64().unwrap();
        let mut keys: Vec<&str> = size.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let expected = [
            "allocations_per_step",
            "device",
            "edges_per_bead",
            "gpu_bytes_allocated",
            "gpu_bytes_reserved",
            "list_builds_per_replica_step",
            "ms_per_step",
            "ns_per_day",
            "replica_steps_per_s",
            "replicas",
            "start_up",
            "submissions_per_step",
            "system",
            "timed_steps",
            "waits_per_step",
            "warm_up_steps",
        ];
        assert_eq!(keys, expected);
        assert_eq!(number("replicas"), replicas);
        let per_second = number("replica_steps_per_s");
        assert!((per_second * number("ms_per_step") / 1000.0 / replicas - 1.0).abs() < 1e-9);
        assert!((number("ns_per_day") / (per_second * 4e-6 * 86_400.0) - 1.0).abs() < 1e-9);
        assert!(number("edges_per_bead") > 0.0);
    }
}

#[test]
fn info_says_what_auto_takes() {
    let output = program(&["info"]);
    assert!(output.status.success());
    let said = stdout(&output);
    assert!(said.starts_with(concat!("flashschnet ", env!("CARGO_PKG_VERSION"))), "{said}");
    assert!(said.contains("adapter") && said.contains("auto takes: "), "{said}");
}

#[test]
fn info_reports_on_precision() {
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    let report = ["info", "--precision", "--model", model];
    let with = |more: &[&str]| program(&[&report[..], more].concat());

    let output = with(&["--channels"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap();
    for name in ["block0.filter0", "block0.lin2", "block0.c3", "out0", "out1"] {
        let words: Vec<&str> = line(name).split_whitespace().collect();
        assert!(words.len() > 10 && words[3].parse::<f64>().is_ok_and(|x| x < 1e-3), "{words:?}");
    }
    assert!(line("block0.c0").ends_with("  packed") && line("out0").ends_with("  f16 pair"));
    assert!(said.contains("    channel 5 ") && !said.contains("structure"), "{said}");

    let structures = ["--structures", structures, "--backend", "wgpu", "--trust-device", "--json"];
    for filter in ["table", "exact"] {
        let output = with(&[&structures[..], &["--filter", filter]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let tensors = found["tensors"].as_array().unwrap();
        assert_eq!(tensors.len(), if filter == "table" { 11 } else { 7 });
        for tensor in tensors {
            let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
            assert_eq!(tensor["channels"].as_array().unwrap().len(), shape[0]);
            assert!(tensor["losses"]["f16_pair"]["worst"].as_f64().unwrap() < 1e-5, "{tensor}");
        }
        let structures = found["structures"].as_array().unwrap();
        assert_eq!(structures.len(), 2);
        for structure in structures {
            let number = |key: &str| structure[key].as_f64().unwrap();
            assert_eq!(number("n_beads"), 12.0);
            // The bound of mixed precision for forces.
            assert!(number("force_rms") < 1e-3 && number("force_worst") >= number("force_rms"));
            assert!(number("energy_offset").abs() < 1e-2 && number("force") > 0.0, "{structure}");
        }
        assert!(found["device"].is_string(), "{found}");
    }
}

/// `run --observables`: values in files, and one clear error for wrong input.
#[test]
fn observables_of_a_run() {
    let temporary = tempfile::tempdir().unwrap();
    let [_, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    let other = temporary.path().join("other.safetensors");
    let mut shorter = small::structures();
    for structure in &mut shorter {
        let mut topology = (*structure.topology).clone();
        topology.types.pop();
        topology.masses.pop();
        topology.lists.clear();
        structure.positions.pop();
        structure.topology = topology.into();
    }
    write_structures(&other, &shorter).unwrap();
    let other = other.to_str().unwrap();
    let run = |name: &str, arguments: &[&str]| {
        let folder = temporary.path().join(name);
        let steps = ["--steps", "20", "--save-interval", "10", "--replicas", "2", "--npy"];
        let arguments = [&steps[..], arguments].concat();
        (with_system("run", &arguments, &folder).output().unwrap(), folder)
    };
    let (output, folder) =
        run("run", &["--observables", "q,rmsd,rg", "--reference", structures, "--q-cutoff", "16"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.join("energies.csv")).unwrap();
    assert!(text.lines().next().unwrap().ends_with(",temperature_K,q,rmsd_A,rg_A"), "{text}");
    for row in table(&folder.join("energies.csv")) {
        let [q, rmsd, rg] = row[6..] else { panic!("{row:?}") };
        assert!(
            q > 0.5 && q <= 1.0 && rmsd > 0.0 && rmsd < 5.0 && rg > 8.0 && rg < 14.0,
            "{row:?}"
        );
    }
    assert_eq!(npy::<f32>(folder.join("run_rmsd_0000.npy")).0, [2, 2]);
    let settings = std::fs::read_to_string(folder.join("settings.toml")).unwrap();
    assert!(settings.contains("observables = [\"q\", \"rmsd\", \"rg\"]"), "{settings}");
    assert!(settings.contains("q-cutoff = 16") && settings.contains("reference = "), "{settings}");

    let with = ["--reference", structures];
    for (name, arguments, expected) in [
        ("a", vec!["--observables", "rmsd"], "reference: found none, expected a file, for rmsd"),
        ("b", vec!["--observables", "rg,rg"], "observables: found rg twice"),
        ("c", [&["--observables", "q"], &with[..]].concat(), "native contacts: found no pairs"),
        ("d", [&["--observables", "q", "--q-beta", "-1"], &with[..]].concat(), "q-beta: found -1"),
        ("e", vec!["--observables", "q", "--reference", other], "found 11 beads, expected the 12"),
        ("f", vec!["--observables", "rmsd", "--reference", "none.pt"], no_file!("none.pt: ")),
    ] {
        let (output, folder) = run(name, &arguments);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains(expected), "{name}: {}", stderr(&output));
        assert!(!folder.exists(), "{name}");
    }
    let (output, _) = run("g", &["--observables", "mass"]);
    assert_eq!(output.status.code(), Some(2));
    let (output, _) = run("h", &with);
    assert_eq!(output.status.code(), Some(2));
}
