//! `report`: the page about a run.

use std::path::Path;

use crate::common::program::{program, stderr, with_system};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The number of plots, and a check that the page is whole and needs no other file.
fn n_plots(page: &str) -> usize {
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
    // Energies and temperatures over time, and their distributions.
    assert_eq!(n_plots(&page), 4);
    assert!(page.contains("<h1>a &lt;b&gt; &amp; c</h1>"));
    assert!(page.contains("12 frames, 0.000240 ns per replica"), "{page}");
    assert!(page.contains("<th>integrator</th><td>langevin</td>"));
    // It can be made again, elsewhere too.
    let other = temporary.path().join("other.html");
    let [folder, file] = [&run, &other].map(|path| path.to_str().unwrap());
    let output = program(&["report", folder, "-o", file]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(n_plots(&text(&other)), 4);
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
    assert_eq!(n_plots(&page), 8);
    for words in ["<h2>rg</h2>", "<h2>Distribution of end to end</h2>", "end to end (Å)"] {
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
            ["value 0 (Å)", "free energy (kcal/mol)"],
            "the minimum. Where no hill",
        ),
        (plane, ["value 0 (rad)", "value 1 (Å)"], "the minimum, from blue for 0 to red for "),
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
        assert_eq!(n_plots(&page), if axes[1].contains("value 1") { 13 } else { 11 });
        let words = [
            "<h2>bias hills value</h2>",
            "<h2>bias drag work</h2>",
            "bias drag work (kcal/mol)",
            "<h2>Free energy</h2>",
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
    assert_eq!(n_plots(&page), 6);
    assert!(page.contains("300.0 K") && page.contains("One row for each of 3 of 3 replicas"));

    // The last rows of a run that goes on can be incomplete, and there may be no frame.
    let folder = run.to_str().unwrap();
    for name in ["energies.csv", "states.csv"] {
        let whole = text(&run.join(name));
        std::fs::write(run.join(name), &whole[..whole.len() - 4]).unwrap();
        let output = program(&["report", folder]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let header = text(&run.join("energies.csv")).lines().next().unwrap().to_owned() + "\n";
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

#[test]
fn a_folder_without_a_run_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let output = program(&["report", temporary.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run.log: No such file"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
