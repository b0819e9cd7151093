//! `analyze` on the folders of runs, and wrong input.

use std::path::Path;

use crate::analysis::{cells, column, data, files};
use crate::common::program::{program, small_files, stderr, table, with_system};

/// Runs the small system.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = with_system("run", arguments, folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

pub(crate) fn analyze(arguments: &[&str]) -> String {
    let output = program(&[&["analyze"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A column of numbers of a CSV table.
pub(crate) fn numbers(folder: &Path, table: &str, name: &str) -> Vec<f64> {
    cells(folder, table, name).iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()
}

pub(crate) fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("analysis.log")).unwrap()
}

pub(crate) fn reference() -> &'static str {
    small_files()[1].to_str().unwrap()
}

/// The means of a summary in the order of its rows.
pub(crate) fn means(folder: &Path) -> Vec<f64> {
    numbers(folder, "summary", "mean")
}

#[test]
fn every_kind_of_trajectories_of_a_ladder_gives_the_same_averages() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let options = ["--ladder", "300,400,3", "--exchange-interval", "5", "--steps", "300"];
    let written =
        ["--trajectories-by", "both", "--format", "both", "--npy", "--save-interval", "5"];
    let observed = ["--observables", "rg,end-to-end,rmsd,q", "--reference", reference()];
    let observed = [&observed[..], &["--q-cutoff", "15"]].concat();
    let said = run(&folder, &[&options[..], &written, &observed].concat());
    // A run with observables suggests the analysis before it suggests viewers.
    let last = said.lines().rev().nth(2).unwrap();
    assert_eq!(last, format!("flashschnet analyze {}", text(&folder)));
    let said = analyze(&[text(&folder)]);
    assert!(said.contains("400.0 K: rg ") && said.contains("analysis  tables"), "{said}");
    let out = folder.join("analysis");

    // The series has the rows of energies.csv, replica after replica.
    let mut energies = table(&folder.join("energies.csv"));
    energies.sort_by(|a, b| a[2].total_cmp(&b[2]).then(a[0].total_cmp(&b[0])));
    let state = column(&out, "series", 3);
    assert_eq!(state.len(), 180);
    assert_eq!(state, energies.iter().map(|row| row[3]).collect::<Vec<_>>());
    let time = column(&out, "series", 2);
    assert!(time.iter().zip(&energies).all(|(t, row)| (t - row[1]).abs() < 1e-6));
    for (k, tolerance) in [(4, 0.01), (5, 0.02), (6, 0.01), (7, 0.02)] {
        for (found, row) in column(&out, "series", k).iter().zip(&energies) {
            // Positions in XTC files are rounded to 0.01 Å.
            let expected = row[7 + k - 4];
            assert!((found - expected).abs() < tolerance, "column {k}: {found}, {expected}");
        }
    }
    let (names, temperature) =
        (cells(&out, "summary", "quantity"), numbers(&out, "summary", "temperature_K"));
    for (state, kelvin) in [(0.0, 300.0), (2.0, 400.0)] {
        let of_state = energies.iter().filter(|row| row[3] == state).map(|row| row[7]);
        let of_state: Vec<f64> = of_state.collect();
        let mean = of_state.iter().sum::<f64>() / of_state.len() as f64;
        let is_row = |k: &usize| (temperature[*k] - kelvin).abs() < 1e-3 && names[*k] == "rg_A";
        let found = means(&out)[(0..names.len()).find(is_row).unwrap()];
        assert!((found - mean).abs() < 0.01, "{kelvin} K: {found}, {mean}");
    }
    assert_eq!(numbers(&out, "melting", "temperature_K").len(), 41);
    assert!(out.join("free_energy_rmsd_A_q.csv").exists() && out.join("events.csv").exists());
    assert!(!out.join("kinetics.csv").exists() && log(&out).contains("changes by exchange"));
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("Melting curve"));

    // No bit depends on the threads.
    let before = files(&out);
    analyze(&[text(&folder), "--threads", "1"]);
    assert!(before.len() > 30 && files(&out) == before);

    // DCD files of replicas, XTC and DCD files of states, and arrays.
    let rg = |folder: &Path| {
        let names = cells(folder, "summary", "quantity");
        let of_rg = names.into_iter().zip(means(folder)).filter(|(name, _)| name == "rg_A");
        of_rg.map(|(_, mean)| mean).collect::<Vec<_>>()
    };
    let mut found = vec![rg(&out)];
    for (start, end) in
        [("replica_", "xtc"), ("replica_", "dcd"), ("ladder_", "xtc"), ("ladder_", "dcd")]
    {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with(start) && name.ends_with(end) {
                std::fs::remove_file(path).unwrap();
            }
        }
        analyze(&[text(&folder)]);
        found.push(rg(&out));
        if (start, end) == ("replica_", "dcd") {
            assert!(!out.join("events.csv").exists() && !out.join("tica_features.csv").exists());
            assert!(log(&out).contains("frames of the states of a ladder do not follow"));
            assert_eq!(cells(&out, "series", "trajectory")[0], "ladder_0000_state_0000");
        }
    }
    // A replica that blew up takes its samples alone away.
    let path = folder.join("energies.csv");
    let energies = std::fs::read_to_string(&path).unwrap();
    let name = "potential_kcal_per_mol";
    let column = energies.lines().next().unwrap().split(',').position(|of| of == name).unwrap();
    let row = |(k, line): (usize, &str)| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if (7..10).contains(&k) {
            cells[column] = "NaN";
        }
        cells.join(",") + "\n"
    };
    let unknown: String = energies.lines().enumerate().map(row).collect();
    std::fs::write(&path, unknown).unwrap();
    let said = analyze(&[text(&folder)]);
    let warning = "no weight for samples without a finite potential energy: 3 of 180";
    assert!(said.contains(warning) && log(&out).contains(warning), "{said}");
    assert!(numbers(&out, "free_energy_rg_A", "free_energy_kcal_per_mol").len() > 10);
    assert_eq!(numbers(&out, "melting", "q").iter().filter(|q| q.is_finite()).count(), 41);

    assert_eq!(found.len(), 5);
    for (k, other) in found.iter().enumerate() {
        assert_eq!(other.len(), 3);
        for (a, b) in other.iter().zip(&found[1]) {
            // DCD files and arrays hold f32.
            let tolerance = if k == 0 || k == 2 { 5e-3 } else { 2e-6 };
            assert!((a - b).abs() < tolerance, "{k}: {a}, {b}");
        }
    }
}

#[test]
fn a_run_that_goes_on_has_its_whole_frames() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    run(&folder, &["--steps", "60", "--save-interval", "5", "--replicas", "2"]);
    let [energies, trajectory] =
        ["energies.csv", "replica_0001.xtc"].map(|name| std::fs::read(folder.join(name)).unwrap());
    // A row that is not complete, and a frame that is written before its row.
    std::fs::write(folder.join("energies.csv"), &energies[..energies.len() - 5]).unwrap();
    std::fs::write(folder.join("replica_0001.xtc"), &trajectory[..trajectory.len() - 7]).unwrap();
    analyze(&[text(&folder)]);
    assert_eq!(column(&folder.join("analysis"), "series", 1).len(), 12 + 11);
    // Frames that are missing, or belong to other steps.
    std::fs::write(folder.join("energies.csv"), &energies).unwrap();
    let output = program(&["analyze", text(&folder)]);
    assert!(stderr(&output).contains("replica_0001.xtc: frame 11: found the end of the file"));
    let whole = trajectory.len() / 12 * 3;
    let at = (whole..trajectory.len()).find(|at| trajectory[*at..].starts_with(&[0, 0, 7, 203]));
    std::fs::write(folder.join("replica_0001.xtc"), &trajectory[at.unwrap()..]).unwrap();
    let said = stderr(&program(&["analyze", text(&folder)]));
    assert!(said.contains("replica_0001.xtc: frame 0: found step"), "{said}");
    std::fs::write(folder.join("replica_0001.xtc"), &trajectory[..at.unwrap()]).unwrap();
    let said = stderr(&program(&["analyze", text(&folder)]));
    assert!(
        said.contains("replica_0001.xtc: frames: found ") && said.contains("12, as many"),
        "{said}"
    );
    // The earlier results are as before.
    assert_eq!(column(&folder.join("analysis"), "series", 1).len(), 12 + 11);
    assert!(
        !std::fs::read_dir(&folder)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().ends_with(".partial") })
    );
}

/// A frozen replica has fewer frames. Its state is so hot that no energy is common to the others.
#[test]
fn states_without_overlap_have_averages_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let ladder = ["--exchange-interval", "5", "--temperature", "300,330,20000", "--replicas", "6"];
    let freeze = ["--on-blow-up", "freeze", "--max-force", "150", "--npy"];
    let steps = ["--steps", "240", "--save-interval", "10"];
    run(&folder, &[&ladder[..], &freeze, &steps].concat());
    let rows = table(&folder.join("energies.csv"));
    assert!(rows.len() < 144, "no replica is frozen");
    let out = folder.join("analysis");
    for _ in 0..2 {
        let said = analyze(&[text(&folder)]);
        let expected = "no free energies and no melting curve: overlap of states: found none";
        assert!(said.contains(expected), "{said}");
        assert_eq!(column(&out, "series", 0).len(), rows.len());
        for (state, kelvin) in [300.0, 330.0, 20_000.0].into_iter().enumerate() {
            let n = rows.iter().filter(|row| row[3] == state as f64).count();
            let temperature = numbers(&out, "summary", "temperature_K");
            let at = temperature.iter().position(|t| (t - kelvin).abs() < 1e-3).unwrap();
            assert_eq!(numbers(&out, "summary", "samples")[at], n as f64);
        }
        assert!(!out.join("free_energy_rg_A.csv").exists());
        // The same from arrays, in which a frozen replica has NaN.
        for replica in 0..6 {
            let _ = std::fs::remove_file(folder.join(format!("replica_{replica:04}.xtc")));
        }
    }
}

#[test]
fn metadynamics_has_no_free_energy_by_weights() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let file = temporary.path().join("bias.toml");
    let hills = "[[bias]]\nname = 'hills'\nform = 'metadynamics'\nevery = 5\nheight = 0.2\n\
                 bias-factor = 8\nvariable = 'rg'\nlower = 0\nupper = 60\nbins = 200\nwidth = 1.5\n";
    std::fs::write(&file, hills).unwrap();
    run(&folder, &["--steps", "200", "--save-interval", "5", "--bias", text(&file)]);
    let said = analyze(&[text(&folder)]);
    assert!(
        said.contains("no free energies and no melting curve: hills of metadynamics"),
        "{said}"
    );
    let out = folder.join("analysis");
    assert!(out.join("summary.csv").exists() && !out.join("free_energy_rg_A.csv").exists());
    let said = stderr(&program(&["analyze", text(&folder), "--free-energy", "rg"]));
    assert!(
        said.contains("--free-energy: found rg, expected none: hills of metadynamics"),
        "{said}"
    );
}

#[test]
fn several_runs_and_arrays_are_one_ensemble() {
    let temporary = tempfile::tempdir().unwrap();
    let of = |name: &str| temporary.path().join(name);
    let folders = [of("cold"), of("hot")];
    for (folder, kelvin) in folders.iter().zip(["300", "350"]) {
        let options = ["--steps", "200", "--save-interval", "5", "--npy", "--replicas", "2"];
        run(folder, &[&options[..], &["--temperature", kelvin]].concat());
    }
    let [cold, hot] = folders.each_ref().map(|path| text(path));
    let out = of("out");
    analyze(&[cold, hot, "-o", text(&out), "--reference", reference(), "--q-cutoff", "15"]);
    assert_eq!(cells(&out, "series", "trajectory")[0], "cold/replica_0000");
    let temperatures = numbers(&out, "free_energy_rg_A", "temperature_K");
    assert!(temperatures.contains(&300.0) && temperatures.contains(&350.0));
    assert!(out.join("melting.csv").exists() && out.join("report.html").exists());
    let kinetics = numbers(&out, "kinetics", "temperature_K");
    assert_eq!(kinetics, [300.0, 300.0, 350.0, 350.0]);

    // The arrays of a run as a trajectory of two replicas, whose times nobody tells.
    let coords = folders[0].join("run_coords_0000.npy");
    let topology = folders[0].join("topology.pdb");
    let alone = of("alone");
    let arguments = [text(&coords), "--topology", text(&topology), "-o", text(&alone)];
    analyze(&arguments);
    assert_eq!(cells(&alone, "series", "trajectory")[40], "run_coords_0000_replica_0001");
    assert!(cells(&alone, "series", "time_ps").iter().all(String::is_empty));
    assert!(log(&alone).contains("no TICA: the time between frames is not known"));
    assert!(cells(&alone, "free_energy_rg_A", "free_energy_kT").len() > 5);
    analyze(&[&arguments[..], &["--interval", "0.02"]].concat());
    let times = column(&alone, "series", 2);
    assert_eq!((times[0], times[2], times[40]), (0.0, 0.04, 0.0));
    assert!(alone.join("tica_time_scales.csv").exists());
}

/// Small molecules have no pairs of beads for q, but an RMSD.
#[test]
fn a_reference_without_native_contacts_gives_the_rmsd() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let said = run(&folder, &["--steps", "50", "--save-interval", "5"]);
    assert!(!said.contains("flashschnet analyze"), "{said}");
    let without = [text(&folder), "--reference", reference(), "--q-cutoff", "0.01"];
    analyze(&without);
    let out = folder.join("analysis");
    let names = cells(&out, "summary", "quantity");
    assert_eq!(&names[..3], ["rg_A", "end_to_end_A", "rmsd_A"]);
    assert!(!names.iter().any(|name| name == "q" || name == "folded_fraction"), "{names:?}");
    let log = log(&out);
    assert!(log.contains("no q: the reference has no native contacts within 0.01 Å\n"), "{log}");
    assert!(log.contains("no folding events: the reference has no native contacts\n"), "{log}");
    for more in [["--free-energy", "q"], ["--folded", "0.9"]] {
        let said = stderr(&program(&[&["analyze"], &without[..], &more].concat()));
        assert!(said.contains("--reference: found no native contacts, expected pairs"), "{said}");
    }
    // The RMSD can tell folded from unfolded.
    analyze(&[&without[..], &["--core", "rmsd"]].concat());
    assert!(out.join("events.csv").exists());
}

#[test]
fn wrong_input_is_refused_and_nothing_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let of = |name: &str| temporary.path().join(name);
    let folder = of("run");
    run(&folder, &["--steps", "20", "--save-interval", "5"]);
    let [empty, other, cut, own] = [of("empty"), of("other.pdb"), of("cut.xtc"), of("own")];
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("notes.txt"), "mine").unwrap();
    let bytes = std::fs::read(data("chain.xtc")).unwrap();
    std::fs::write(&cut, &bytes[..5000]).unwrap();
    std::fs::copy(folder.join("topology.pdb"), &other).unwrap();
    let before = std::fs::read_dir(temporary.path()).unwrap().count();
    let [chain, native] = ["chain.xtc", "native.pdb"].map(data);
    let [chain, native, run_folder] = [&chain, &native, &folder].map(|path| text(path));
    let out = of("new/folders/out");
    let [empty, other, cut, own, out] = [&empty, &other, &cut, &own, &out].map(|path| text(path));
    let bare = [chain, "--topology", native, "-o", out];
    let with = |more: &[&'static str]| [&bare[..], more].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![empty], "empty: input: found no run, expected the output folder of a run"),
        (vec![chain, "--topology", native], "--output: found none, expected a folder"),
        (vec![chain, "-o", out], "--topology: found none, expected a PDB"),
        (vec![chain, run_folder, "-o", out], "input: found folders and files"),
        (vec![run_folder, "--topology", native], "--topology: found it with a run"),
        (vec![chain, "--topology", other, "-o", out], "chain.xtc: frame 0: found 28 beads"),
        (vec![cut, "--topology", native, "-o", out], "the file is truncated"),
        (vec![native, "--topology", native, "-o", out], "a trajectory: XTC, DCD or .npy"),
        (vec![chain, "--topology", native, "-o", own], "own: already exists"),
        (vec![run_folder, "-o", run_folder], "run: already exists"),
        (vec![run_folder, "--reference", native], "found 28 beads, expected the 12 beads"),
        (vec![run_folder, "--discard", "1"], "--discard: found 1, expected at most 0.08 ps"),
        (with(&["--free-energy", "q"]), "--reference: found none, expected a file, for q"),
        (with(&["--free-energy", "mass"]), "--free-energy: found mass, expected one or two"),
        (with(&["--free-energy", "rg,rg"]), "--free-energy: found rg,rg"),
        (with(&["--core", "rmsd"]), "--reference: found none"),
        (with(&["--folded", "0.9"]), "--reference: found none"),
        (with(&["--q-cutoff", "9"]), "--reference: found none"),
        (with(&["--beads", "0-28"]), "--beads: found 0-28, expected all, ca"),
        (with(&["--beads", "1,1"]), "--beads: found 1,1"),
        (with(&["--lag", "1e6"]), "--lag: found 1000000, expected a time from 2 to 300 ps"),
        (with(&["--temperature", "-1"]), "--temperature: found -1"),
        (with(&["--discard", "-1"]), "--discard: found -1"),
        (with(&["--contact-cutoff", "0"]), "--contact-cutoff: found 0"),
        (with(&["--stride", "0"]), "--stride: found 0"),
        (with(&["--bins", "100000"]), "--bins: found 100000"),
        (with(&["--blocks", "1"]), "--blocks: found 1"),
        (with(&["--threads", "0"]), "--threads: found 0"),
        (with(&["--discard", "601"]), "--discard: found 601, expected at most 600 ps"),
        (
            [&bare[..], &["--reference", native, "--folded", "0.2"]].concat(),
            "--folded: found 0.2, expected a core apart",
        ),
        (
            [&bare[..], &["--reference", native, "--q-beta", "0"]].concat(),
            "--q-beta: found 0, expected a finite number > 0",
        ),
    ];
    for (arguments, expected) in cases {
        let output = program(&[&["analyze"], &arguments[..]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
        let after = std::fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(after, before, "{arguments:?}");
    }
    assert!(!folder.join("analysis").exists());
    // Several molecules.
    std::fs::rename(folder.join("topology.pdb"), folder.join("topology_0000.pdb")).unwrap();
    let said = stderr(&program(&["analyze", run_folder]));
    assert!(said.contains("run: found several molecules, expected one"), "{said}");
}
