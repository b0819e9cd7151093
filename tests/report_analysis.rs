//! `report`: the sections about an analysis, from tables that are written here.

use std::fmt::Write as _;
use std::path::Path;

use crate::common::program::{program, stderr};
use crate::report::{n_plots, text};

/// The tables of an analysis at two temperatures, with their names.
const TABLES: [(&str, &str); 10] = [
    (
        "summary.csv",
        "temperature_K,quantity,mean,error,autocorrelation_time_ps,independent_samples,samples\n\
         300,q,0.8123,0.0129,5,200,1000\n300,rg_A,9.5,0.25,5,200,1000\n\
         350,q,0.4,0.021,5,150,1000\n350,rg_A,12.5,,,,1000\n",
    ),
    (
        "free_energy_q.csv",
        "temperature_K,q,free_energy_kcal_per_mol,error_kcal_per_mol\n\
         300,0.1,2,0.1\n300,0.2,1.5,0.1\n300,0.8,0,0.02\n300,0.9,0.3,\n\
         350,0.1,0,0.1\n350,0.2,0.5,0.1\n350,0.8,1,0.02\n350,0.9,1.1,0.1\n",
    ),
    (
        "free_energy_rmsd_A_q.csv",
        "temperature_K,rmsd_A,q,free_energy_kcal_per_mol,error_kcal_per_mol\n\
         300,2,0.9,0,0.1\n300,9,0.1,1,0.1\n350,2,0.9,1,0.1\n350,9,0.1,0,0.1\n",
    ),
    ("free_energy_tic_1.csv", "tic_1,free_energy_kT,error_kT\n-1,0,0.1\n0,2,0.1\n1,0.5,0.1\n"),
    (
        "melting.csv",
        "temperature_K,q,q_error,potential_kcal_per_mol,potential_error_kcal_per_mol,\
         heat_capacity_kcal_per_mol_K,heat_capacity_error_kcal_per_mol_K\n\
         300,0.81,0.01,-20,0.1,0.2,0.01\n325,0.6,0.02,-15,0.1,0.4,0.02\n\
         350,0.41,0.02,-11,0.1,0.25,0.02\n",
    ),
    (
        "melting_temperatures.csv",
        "definition,temperature_K,error_K\nheat_capacity,326.1,1.4\nq,335,2.1\n",
    ),
    (
        "series.csv",
        "trajectory,frame,time_ps,state,rg_A,end_to_end_A,rmsd_A,q\n\
         \"a, b\",0,0,0,12,30,9,0.1\n\"a, b\",1,10,0,9,20,2,0.9\n\"a, b\",2,20,0,12,30,9,0.1\n",
    ),
    ("events.csv", "trajectory,time_ps,direction\n\"a, b\",10,folding\n\"a, b\",20,unfolding\n"),
    (
        "kinetics.csv",
        "temperature_K,direction,events,time_ps,mean_first_passage_ps,error_ps\n\
         300,folding,4,1000,250,130\n300,unfolding,0,2000,,\n",
    ),
    (
        "tica_time_scales.csv",
        "lag_ps,time_scale_1_ps,error_1_ps,time_scale_2_ps,error_2_ps\n\
         10,300,20,40,3\n20,310,25,42,4\n40,330,30,,\n",
    ),
];

/// The tables of an analysis in a folder, with fluctuations and contacts of a number of beads.
fn analysis(folder: &Path, n_beads: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, table) in TABLES {
        std::fs::write(folder.join(name), table).unwrap();
    }
    let mut rmsf = "bead,residue,name,rmsf_A\n".to_owned();
    let mut contacts = "i,j,frequency,native\n".to_owned();
    for i in 0..n_beads {
        let _ = writeln!(rmsf, "{i},{},CA,{}", i + 1, 1.0 + (i as f64).sin());
        for j in i + 3..n_beads {
            let _ =
                writeln!(contacts, "{i},{j},{:.3},{}", ((i * j) as f64).sin().abs(), (i + j) % 2);
        }
    }
    std::fs::write(folder.join("rmsf.csv"), rmsf).unwrap();
    std::fs::write(folder.join("contacts.csv"), contacts).unwrap();
    std::fs::write(
        folder.join("tica_features.csv"),
        "feature,weight_1,weight_2\ndistance 0-9,-0.93,0.1\ndistance 1-5,0.2,0.8\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("analysis.log"),
        "cores: folded 0.8, unfolded 0.3, of q\nread: <one> trajectory\n",
    )
    .unwrap();
}

/// The page about an analysis.
fn page(folder: &Path) -> String {
    let output = program(&["report", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    text(&folder.join("report.html"))
}

#[test]
fn an_analysis_has_sections() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("analysis");
    analysis(&folder, 12);
    let page = page(&folder);
    // Free energies in one and two coordinates, of TICA, melting, heat capacity, events, RMSF,
    // contacts and time scales.
    assert_eq!(n_plots(&page), 9);
    for words in [
        // The table of averages.
        "<th>radius of gyration (Å)</th>",
        "<td>0.812 ± 0.013<br><small>n = 200</small></td>",
        "<td>12.50</td>",
        "<h2>Free energy along fraction of native contacts Q</h2>",
        "<h2>Free energy along RMSD from the reference and fraction of native contacts Q</h2>",
        "Free energy in kT above its minimum",
        "Dashed lines are the melting temperatures: 326.1 ± 1.4 K (the maximum of the heat capacity), \
         335.0 ± 2.1 K (half-way Q).",
        "Dots are the means of the samples",
        "reaches the unfolded core after the folded one. The folded core is Q ≥ 0.8, the unfolded core \
         Q ≤ 0.3.",
        "Course of 1 trajectory, first",
        "red ones are unfoldings: 1 folding and 1 unfolding in all trajectories.",
        "<td>0.25 ± 0.13</td>",
        "<td>unfolding</td><td>0</td><td>2.000</td><td>unknown</td>",
        "<h2>Fluctuations</h2>",
        "Below the diagonal are the contacts of the native structure.",
        "<h2>Slow motions</h2>",
        "<th>distance 0-9</th><td>-0.93</td><td>0.10</td>",
        "read: &lt;one&gt; trajectory",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // Each temperature has a map and a line.
    assert_eq!(page.matches("\n350.0 K\n").count(), 2);
}

#[test]
fn a_melting_temperature_that_is_not_converged_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("analysis");
    analysis(&folder, 12);
    let melting = "definition,temperature_K,error_K\nheat_capacity,326.1,1.4\nq,335,\n";
    std::fs::write(folder.join("melting_temperatures.csv"), melting).unwrap();
    let line = "warning: not converged: melting temperature by q: there is no unfolding event\n";
    std::fs::write(folder.join("analysis.log"), line).unwrap();
    let caption = "Dashed lines are the melting temperatures: 326.1 ± 1.4 K (the maximum of the heat \
                   capacity), 335.0 K (half-way Q, not converged). Not converged: there is no unfolding \
                   event.";
    assert_eq!(page(&folder).matches(caption).count(), 2);
}

/// A missing table is a missing section.
#[test]
fn sections_need_their_tables_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    analysis(folder, 12);
    let mut n = 9;
    for (name, plots) in [
        ("free_energy_q.csv", 1),
        ("free_energy_tic_1.csv", 1),
        ("melting_temperatures.csv", 0),
        ("melting.csv", 2),
        ("series.csv", 1),
        ("summary.csv", 0),
        ("rmsf.csv", 1),
        ("contacts.csv", 1),
        ("tica_time_scales.csv", 1),
        ("kinetics.csv", 0),
        ("free_energy_rmsd_A_q.csv", 1),
    ] {
        std::fs::remove_file(folder.join(name)).unwrap();
        n -= plots;
        assert_eq!(n_plots(&page(folder)), n, "{name}");
    }
    assert_eq!(n, 0);
}

/// A damaged table costs its section. The page names the file and the row.
#[test]
fn damaged_tables_are_sentences() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    analysis(folder, 12);
    let tables = TABLES.map(|(name, _)| name).into_iter().chain(["rmsf.csv", "contacts.csv"]);
    for name in tables {
        let path = folder.join(name);
        let whole = text(&path);
        let rows: Vec<&str> = whole.lines().collect();
        let second = rows[2].rsplit_once(',').unwrap().0;
        let cut = format!("{}\n{}\n{second}", rows[0], rows[1]);
        let first = rows[1].replacen(|c: char| c.is_ascii_digit(), "x", 1);
        let words = format!("{}\n{first}\n", rows[0]);
        let column = rows[0].replace("temperature_K", "kelvin").replacen("lag_ps", "lag", 1);
        let column = column.replace("frequency", "f").replace("rmsf_A", "r");
        let column = column.replace("time_ps", "t").replace("free_energy_k", "f");
        for (table, row) in [(cut, 3), (words, 2), (format!("{column}\n"), 1)] {
            if row == 2 && name == "summary.csv" {
                // The first digit is that of the temperature, as in other tables.
                assert!(table.contains("\nx00,"));
            }
            std::fs::write(&path, &table).unwrap();
            let output = program(&["report", folder.to_str().unwrap()]);
            assert!(output.status.success(), "{name}, row {row}: {}", stderr(&output));
            let page = text(&folder.join("report.html"));
            let told = page.lines().find(|line| line.contains("This section cannot be made: "));
            let told = told.unwrap_or_else(|| panic!("{name}, {row}"));
            assert!(told.contains(&format!("{name}: row {row}: ")), "{name}, {row}: {told}");
            let n = n_plots(&page);
            let lost = match name {
                "melting.csv" | "melting_temperatures.csv" => 2,
                // The means of Q are dots of the melting curve.
                "summary.csv" => 2,
                _ => 1,
            };
            assert_eq!(n, 9 - lost, "{name}, {row}");
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(n_plots(&page(folder)), 9);
}

/// The strips have the quantity of the cores, and frames where there are no times.
#[test]
fn courses_follow_the_cores() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    analysis(folder, 12);
    std::fs::write(folder.join("analysis.log"), "cores: folded 3, unfolded 8, of rmsd_A\n")
        .unwrap();
    let with_rmsd = page(folder);
    assert!(with_rmsd.contains("\nRMSD (Å)\n") && !with_rmsd.contains("\nQ\n"));
    assert!(with_rmsd.contains("The folded core is RMSD ≤ 3 Å, the unfolded core RMSD ≥ 8 Å."));
    assert!(!with_rmsd.contains("\nframe\n"));
    let mut series = "trajectory,frame,time_ps,state,rg_A,end_to_end_A,rmsd_A,q\n".to_owned();
    (0..9).for_each(|frame| series += &format!("a,{frame},,0,12,30,9,0.{frame}\n"));
    std::fs::write(folder.join("series.csv"), series).unwrap();
    std::fs::remove_file(folder.join("events.csv")).unwrap();
    let without_times = page(folder);
    assert!(without_times.contains("\nframe\n"));
    assert!(without_times.contains(": 0 foldings and 0 unfoldings in all trajectories."));
}

/// Features without time scales have the heading too.
#[test]
fn slow_motions_have_one_heading() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    analysis(folder, 12);
    let heading = "<h2>Slow motions</h2>";
    assert_eq!(page(folder).matches(heading).count(), 1);
    std::fs::remove_file(folder.join("tica_time_scales.csv")).unwrap();
    let page = page(folder);
    assert_eq!(page.matches(heading).count(), 1);
    assert!(page.find(heading) < page.find("<th>distance 0-9</th>"));
}

/// Numbers of beads that no molecule has.
#[test]
fn contacts_of_huge_numbers_are_a_sentence() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for (row, words) in [
        ("0,1e300,0.5,1", "contacts.csv: beads: found 0, "),
        ("-1,5,0.5,1", "contacts.csv: beads: found -1, 5"),
        ("0,999999999,0.5,1", "of 15625000 and 15625000 beads"),
    ] {
        std::fs::write(folder.join("analysis.log"), "").unwrap();
        std::fs::write(folder.join("contacts.csv"), format!("i,j,frequency,native\n{row}\n"))
            .unwrap();
        let page = page(folder);
        assert!(page.contains(words), "{page}");
    }
}

/// A page stays small for many beads, bins and temperatures.
#[test]
fn the_size_of_a_page_is_bounded() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    analysis(folder, 300);
    let mut plane =
        "temperature_K,rmsd_A,q,free_energy_kcal_per_mol,error_kcal_per_mol\n".to_owned();
    let mut series = "trajectory,frame,time_ps,state,rg_A,end_to_end_A,rmsd_A,q\n".to_owned();
    for temperature in 300..310 {
        for i in 0..100 {
            for j in 0..100 {
                let f = ((i * j * temperature) as f64).sin().abs();
                let (x, y) = (0.1 * f64::from(i), 0.01 * f64::from(j));
                let _ = writeln!(plane, "{temperature},{x:.2},{y:.3},{f:.4},0.1");
            }
        }
    }
    for trajectory in 0..20 {
        for frame in 0..2000 {
            let q = f64::from(frame * trajectory).sin().abs();
            let _ = writeln!(series, "t{trajectory},{frame},{frame},0,9,20,2,{q:.4}");
        }
    }
    std::fs::write(folder.join("free_energy_rmsd_A_q.csv"), plane).unwrap();
    std::fs::write(folder.join("series.csv"), series).unwrap();
    let page = page(folder);
    assert_eq!(n_plots(&page), 9);
    assert!(page.contains("Course of 5 trajectories"));
    assert!(page.len() < 1_500_000, "{}", page.len());
}

/// The analysis of a run is part of its page.
#[test]
fn a_run_has_the_sections_of_its_analysis() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let arguments = ["--replicas", "2", "--steps", "20", "--save-interval", "5"];
    let output = crate::common::program::with_system("run", &arguments, &run).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let before = n_plots(&page(&run));
    analysis(&run.join("analysis"), 12);
    assert_eq!(n_plots(&page(&run)), before + 9);
}
