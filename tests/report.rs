//! `report`: the page about a run.

use std::path::Path;
use std::process::Command;

use crate::common::program::{PROGRAM, program, small_files, stderr, with_system};

pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The number of plots, and a check that the page is whole and needs no other file.
pub(crate) fn n_plots(page: &str) -> usize {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for tag in ["svg", "table", "pre", "body", "html"] {
        let [open, close] = [format!("<{tag}"), format!("</{tag}>")];
        assert_eq!(page.matches(&open).count(), page.matches(&close).count(), "{tag}");
    }
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("NaN"));
    page.matches("<svg").count()
}

#[test]
fn a_run_ends_with_a_page() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("a <b> & c");
    let arguments = ["--replicas", "4", "--steps", "60", "--save-interval", "5"];
    let output = with_system("run", &arguments, &run).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = text(&run.join("report.html"));
    // The picture, energies and temperatures over time, and their distributions.
    assert_eq!(n_plots(&page), 5);
    assert_eq!(n_tubes(&page), 2);
    assert!(
        page.contains("<p>Replica 0: its first and its last frame, superposed with each other")
    );
    assert!(page.contains("<h1>a &lt;b&gt; &amp; c</h1>"));
    assert!(page.contains("12 frames, 0.000240 ns per replica"));
    assert!(page.contains("<th>integrator</th><td>langevin</td>"));
    // The commands for viewers come last, with paths that a shell takes.
    let folder = run.display();
    let said = stderr(&output);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    let vmd = format!("vmd '{folder}/topology.pdb' '{folder}/replica_0000.xtc'");
    assert_eq!(last[1], vmd);
    assert!(last[0].starts_with(&format!("pymol '{folder}/topology.pdb' -d 'cmd.load_traj(\"")));
    assert!(last[2].ends_with("report.html  report"), "{said}");
    // It can be made again, elsewhere too.
    let other = temporary.path().join("other.html");
    let mut command = Command::new(PROGRAM);
    let command = command.args(["report", ".", "-o"]).arg(&other).current_dir(&run);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = text(&other);
    assert_eq!(n_plots(&page), 5);
    assert!(page.contains("<h1>a &lt;b&gt; &amp; c</h1>"));
}

/// The number of structures in the picture.
fn n_tubes(page: &str) -> usize {
    page.matches("<g class=\"tube\"").count()
}

#[test]
fn observables_have_plots() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let arguments = ["--replicas", "3", "--steps", "60", "--save-interval", "5", "--terms"];
    let mut command = with_system("run", &arguments, &run);
    command.args(["--observables", "rg,end-to-end"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = text(&run.join("report.html"));
    assert_eq!(n_plots(&page), 9);
    for words in [
        "<h2>Radius of gyration</h2>",
        "<h2>Distribution of end-to-end distance</h2>",
        "end-to-end distance (Å)",
        "Thin lines are the 3 replicas.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.contains("<th>observables</th><td>rg, end_to_end</td>"));
}

/// Metadynamics in one and in two variables: the values of biases, and the free energy. A moving center
/// has its work.
#[test]
fn free_energies_have_plots() {
    let head = "[[bias]]\nname = 'drag'\nvariable = 'distance'\nbeads = [0, 5]\nform = 'moving'\nk = 1\n\
                steps = [0, 9]\ncenters = [5, 6]\n[[bias]]\nname = 'hills'\nform = 'metadynamics'\n\
                every = 5\nheight = 0.2\nbias-factor = 8\n";
    let size = "variable = 'rg'\nlower = 0\nupper = 60\nbins = 200\nwidth = 1.5\n";
    let turn = "variable = 'dihedral'\nbeads = [0, 2, 4, 7]\nbins = 40\nwidth = 0.4\n";
    let plane = format!("{head}[[bias.variables]]\n{turn}[[bias.variables]]\n{size}");
    for (text, axes, note) in [
        (
            format!("{head}{size}"),
            ["value 0 (Å)", "free energy (kcal/mol)", "bias hills value (Å)"],
            "the minimum, without an error. Where no hill",
        ),
        (
            plane,
            ["value 0 (rad)", "value 1 (Å)", "bias hills value 1 (Å)"],
            "the minimum, from blue for 0 to red, without",
        ),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let run = temporary.path().join("run");
        let file = temporary.path().join("hills.toml");
        std::fs::write(&file, text).unwrap();
        let arguments = ["--replicas", "3", "--steps", "60", "--save-interval", "5"];
        let mut command = with_system("run", &arguments, &run);
        let output = command.arg("--bias").arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let page = self::text(&run.join("report.html"));
        assert_eq!(n_plots(&page), if axes[1].contains("value 1") { 14 } else { 12 });
        let words = [
            "<h2>Bias hills value</h2>",
            "<h2>Bias drag work</h2>",
            "bias drag work (kcal/mol)",
            "bias drag value (Å)",
            "<h2>Free energy of metadynamics</h2>",
            note,
        ];
        for words in words.into_iter().chain(axes) {
            assert!(page.contains(words), "{words}");
        }
        assert!(page.len() < 2_000_000, "{}", page.len());
    }
}

#[test]
fn exchange_and_runs_that_go_on_have_pages_too() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let arguments = ["--steps", "200", "--save-interval", "5", "--exchange-interval", "5"];
    let output =
        with_system("run", &arguments, &run).args(["--ladder", "300,400,3"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = text(&run.join("report.html"));
    assert_eq!(n_plots(&page), 7);
    assert!(page.contains("300.0 K") && page.contains("One row for each of 3 of 3 replicas"));

    // The last row of a run that goes on can be cut within a number, so it does not count. There may
    // be no frame.
    let folder = run.to_str().unwrap();
    assert!(page.contains("<p>40 frames, 0.000800 ns per replica</p>"));
    let whole = text(&run.join("energies.csv"));
    let last = whole.find("\n200,").unwrap() + 1;
    let end = last + whole[last..].find('\n').unwrap();
    std::fs::write(run.join("energies.csv"), &whole[..end - 3]).unwrap();
    let states = text(&run.join("states.csv"));
    std::fs::write(run.join("states.csv"), &states[..states.len() - 4]).unwrap();
    assert!(again(&run).contains("<p>39 frames, 0.000780 ns per replica</p>"));
    let header = whole.lines().next().unwrap().to_owned() + "\n";
    std::fs::write(run.join("energies.csv"), &header).unwrap();
    let output = program(&["report", folder]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text(&run.join("report.html")).contains("<p>0 frames, 0.000000 ns per replica</p>"));
    // A row in the middle that is no row is an error.
    std::fs::write(run.join("energies.csv"), format!("{header}x,y\n1,0.004,0,0,1,1,1\n")).unwrap();
    let output = program(&["report", folder]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("energies.csv: row 2: found others"), "{said}");
}

/// A run with a reference in a folder, and what it said.
fn with_reference(run: &Path, more: &[&str]) -> String {
    let arguments = ["--steps", "60", "--save-interval", "5", "--observables", "q,rmsd"];
    let mut command = with_system("run", &arguments, run);
    command.arg("--reference").arg(&small_files()[1]).args(["--q-cutoff", "30"]);
    let output = command.args(more).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// The page after it was made again.
fn again(run: &Path) -> String {
    let output = program(&["report", run.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    text(&run.join("report.html"))
}

/// The picture has the replica with the median RMSD, and the reference beside it.
#[test]
fn a_run_with_a_reference_has_its_picture() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let said = with_reference(&run, &["--replicas", "19"]);
    let progress = said.lines().find(|line| line.contains("ETA")).unwrap();
    let words = [" steps  Q ", " K, ETA ", " ns/day per replica"];
    assert!(words.iter().all(|words| progress.contains(words)), "{progress}");
    let page = text(&run.join("report.html"));
    assert_eq!(n_tubes(&page), 3);
    for title in ["Start", "End", "Native"] {
        assert!(page.contains(&format!(">{title}</text>")), "{title}");
    }
    assert!(page.contains("superposed on the native structure"));
    assert!(page.contains("Thin lines are the first 16 of 19 replicas."));
    assert!(page.contains(">the reference</text>"));
    // The RMSD and the replica of the last frame.
    let energies = text(&run.join("energies.csv"));
    let mut last: Vec<(f64, String)> = energies
        .lines()
        .filter(|line| line.starts_with("60,"))
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[cells.len() - 1].parse().unwrap(), cells[2].to_owned()))
        .collect();
    last.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rmsd, replica) = &last[9];
    let chosen = format!("Replica {replica}, which has the median RMSD of 19 replicas");
    assert!(page.contains(&chosen), "{chosen}");
    assert!(page.contains(&format!(">0.00024 ns, RMSD {rmsd:.2} Å, Q ")), "{rmsd}");
    assert!(said.contains(&format!("/replica_{replica:0>4}.xtc\n")), "{said}");
    // Without the file of the reference the page says so.
    let settings = text(&run.join("settings.toml"));
    let [_, structures] = small_files();
    let other = settings.replace(structures.to_str().unwrap(), "/nowhere");
    std::fs::write(run.join("settings.toml"), other).unwrap();
    let page = again(&run);
    assert_eq!(n_tubes(&page), 2);
    assert!(page.contains("There is no native structure: /nowhere: "));
}

/// Frozen replicas have no last frame, and numbers that are not finite have no place in the order.
#[test]
fn the_picture_has_a_replica_of_the_last_frame() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    with_reference(&run, &["--replicas", "6"]);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in text(&run.join("energies.csv")).lines() {
        rows.push(line.split(',').map(str::to_owned).collect());
    }
    let rmsd = rows[0].iter().position(|name| name == "rmsd_A").unwrap();
    let write = |rows: &[Vec<String>]| {
        let lines: Vec<String> = rows.iter().map(|row| row.join(",") + "\n").collect();
        std::fs::write(run.join("energies.csv"), lines.concat()).unwrap();
    };
    rows.retain(|row| !(row[0] == "60" && row[2] == "2"));
    for row in rows.iter_mut().filter(|row| row[0] == "60") {
        row[rmsd] =
            ["3.5", "NaN", "", "4.5", "0.5", "-1e308"][row[2].parse::<usize>().unwrap()].into();
    }
    write(&rows);
    let page = again(&run);
    assert!(page.contains("Replica 0, which has the median RMSD of 3 replicas"), "{page}");
    assert!(page.contains("1 of 6 replicas is not in the last frame: frozen, or not yet written."));
    // A replica that was frozen before the first frame has no row.
    rows.retain(|row| row[2] != "2");
    write(&rows);
    assert!(again(&run).contains("1 of 6 replicas is not in the last frame"));
    // Values can be huge. Those that no axis can show are left out.
    for (k, row) in rows.iter_mut().skip(1).enumerate() {
        row[rmsd] = ["1e59", "-1e59", "1e308", "-1e308"][k % 4].to_owned();
    }
    write(&rows);
    assert!(again(&run).contains("e59\n"));
    // No value is known.
    rows.iter_mut().skip(1).for_each(|row| row[rmsd] = "NaN".to_owned());
    write(&rows);
    assert!(again(&run).contains("<p>Replica 0: its first and its last frame"));
}

/// Trajectories that are damaged or missing are no failure of the page.
#[test]
fn a_page_tells_of_damaged_trajectories() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    with_reference(&run, &["--replicas", "1"]);
    let path = run.join("replica_0000.xtc");
    let bytes = std::fs::read(&path).unwrap();
    let length = bytes.len() / 12;
    // The file ends within the fourth frame.
    std::fs::write(&path, &bytes[..3 * length + 10]).unwrap();
    let page = again(&run);
    assert_eq!(n_tubes(&page), 3);
    assert!(page.contains("Only the first 3 frames can be read: "));
    std::fs::write(&path, "nothing").unwrap();
    let page = again(&run);
    assert_eq!(n_tubes(&page), 0);
    assert!(page.contains("There is no picture: ") && page.contains("replica_0000.xtc"));
    std::fs::write(&path, &bytes).unwrap();
    std::fs::rename(run.join("topology.pdb"), run.join("other.pdb")).unwrap();
    assert!(again(&run).contains(no_file!("topology.pdb: ")));
    std::fs::remove_file(&path).unwrap();
    assert!(again(&run).contains("There is no picture, because the folder has no trajectory."));
}

/// Without trajectories of replicas, the picture is that of state 0.
#[test]
fn trajectories_of_states_have_a_picture() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let ladder =
        ["--exchange-interval", "5", "--ladder", "300,400,3", "--trajectories-by", "state"];
    let said = with_reference(&run, &ladder);
    let page = text(&run.join("report.html"));
    assert_eq!(n_tubes(&page), 3);
    assert!(page.contains("<p>State 0 of the first ladder: its first and its last frame"));
    // The notes are those of the replicas with state 0, which differ here.
    let energies = text(&run.join("energies.csv"));
    let rows: Vec<Vec<&str>> =
        energies.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let at = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
    let lowest: Vec<_> = rows.iter().filter(|row| row[at("state")] == "0").collect();
    assert!(lowest[0][at("replica")] != lowest[lowest.len() - 1][at("replica")], "{energies}");
    for row in [lowest[0], lowest[lowest.len() - 1]] {
        let [q, rmsd] = ["q", "rmsd_A"].map(|name| row[at(name)].parse::<f64>().unwrap());
        let note = format!(" ns, RMSD {rmsd:.2} Å, Q {q:.2}</text>");
        assert!(page.contains(&note), "{note}");
    }
    assert!(said.contains("/ladder_0000_state_0000.xtc\n"), "{said}");
}

#[test]
fn a_folder_without_a_run_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let output = program(&["report", temporary.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(no_file!("run.log: ")), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
