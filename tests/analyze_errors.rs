//! `analyze`: errors that follow from the correlation in time, passage times, and runs with biases.

use flashschnet::analysis::statistics::autocorrelation::Autocorrelation;
use flashschnet::analysis::statistics::blocks;
use flashschnet::units;

use crate::analysis::{cells, column};
use crate::analyze_run::{analyze, log, means, numbers, reference, run, text};

/// Two ladders of different lengths are cut for themselves, into as many blocks as the correlation along
/// the replicas allows. Independent samples follow from it, too.
#[test]
fn errors_of_exchange_follow_from_the_correlation_along_replicas() {
    let temporary = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|name| temporary.path().join(name));
    for (folder, steps) in folders.iter().zip(["120000", "180000"]) {
        let options = ["--ladder", "300,400,3", "--exchange-interval", "5", "--steps", steps];
        run(
            folder,
            &[&options[..], &["--trajectories-by", "both", "--save-interval", "300"]].concat(),
        );
    }
    let out = temporary.path().join("out");
    let arguments = [text(&folders[0]), text(&folders[1]), "-o", text(&out)];
    analyze(&arguments);
    let inefficiency = |series: &[Vec<f64>]| {
        let slices: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        Autocorrelation::of(&slices).unwrap().inefficiency
    };
    let lengths = [400, 400, 400, 600, 600, 600];
    let tracks = |k: usize| {
        let mut rest = &column(&out, "series", k)[..];
        lengths.map(|n| rest.split_off(..n).unwrap().to_vec())
    };
    let (rg, states) = (tracks(4), tracks(3));
    let along = inefficiency(&rg);
    let time = (along - 1.0) / 2.0;
    let count = ((400.0 / (5.0 * time)) as usize).clamp(5, 20);
    let said = log(&out);
    let fewer = format!(
        "{count} blocks in place of 20, because the autocorrelation time of rg_A along the replicas is \
         {time:.0} frames\n"
    );
    // Between the limits of 5 and 20 blocks.
    assert!((6..10).contains(&count) && said.contains(&fewer), "{time}: {said}");
    assert!(said.contains("warning: errors are uncertain by "), "{said}");
    assert!(!said.contains(" % too small"), "{said}");

    // The samples of a state in each ladder, in the order of time, and the error of their mean.
    let of_state = |state: f64| {
        let mut sums = vec![(0, 0.0); count];
        let mut series = [Vec::new(), Vec::new()];
        for (ladder, n) in [400, 600].into_iter().enumerate() {
            for frame in 0..n {
                for track in 3 * ladder..3 * ladder + 3 {
                    if states[track][frame] == state {
                        let sum = &mut sums[frame * count / n];
                        *sum = (sum.0 + 1, sum.1 + rg[track][frame]);
                        series[ladder].push(rg[track][frame]);
                    }
                }
            }
        }
        (series, blocks::mean(&sums).unwrap())
    };
    let rows = |folder: &std::path::Path, name: &str| {
        let of_rg =
            cells(folder, "summary", "quantity").into_iter().zip(numbers(folder, "summary", name));
        of_rg.filter(|(name, _)| name == "rg_A").map(|(_, x)| x).collect::<Vec<_>>()
    };
    for state in 0..3 {
        let (series, mean) = of_state(state as f64);
        assert_eq!((series[0].len(), series[1].len()), (400, 600));
        let error = mean.error.unwrap();
        assert!((rows(&out, "error")[state] / error - 1.0).abs() < 1e-4, "state {state}");
        let independent = 1000.0 / inefficiency(&series).max(along);
        let found = rows(&out, "independent_samples")[state];
        assert!((found / independent - 1.0).abs() < 1e-4, "state {state}: {found}, {independent}");
    }

    // The trajectories of states tell the correlation in each state alone.
    for folder in &folders {
        for replica in 0..3 {
            std::fs::remove_file(folder.join(format!("replica_{replica:04}.xtc"))).unwrap();
        }
    }
    let warned = analyze(&arguments);
    assert!(warned.contains("errors may be too small: trajectories of states"), "{warned}");
    for state in 0..3 {
        let (series, _) = of_state(state as f64);
        let independent = 1000.0 / inefficiency(&series);
        let found = rows(&out, "independent_samples")[state];
        assert!((found / independent - 1.0).abs() < 1e-4, "state {state}: {found}, {independent}");
    }
}

/// Biases change the times of passages, and so does a temperature that changes.
#[test]
fn passage_times_need_a_state_without_bias_and_a_constant_temperature() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("bias.toml");
    let bias = "[[bias]]\nname = 'ends'\nvariable = 'distance'\nbeads = [0, 11]\n\
                form = 'harmonic'\nk = 0.2\ncenter = 25.0\n";
    std::fs::write(&file, bias).unwrap();
    let no = "no mean first passage times: ";
    for (name, options, said, has_times) in [
        ("biased", &["--bias", text(&file)][..], "biases act on the molecule", false),
        ("annealed", &["--anneal", "0:300,100:400"], "the temperature changes with time", false),
        ("nve", &["--integrator", "nve"], "the temperature of a state is unknown", true),
        ("plain", &[], "", true),
    ] {
        let folder = temporary.path().join(name);
        run(&folder, &[&["--steps", "100", "--save-interval", "5"], options].concat());
        analyze(&[text(&folder), "--reference", reference(), "--q-cutoff", "15"]);
        let out = folder.join("analysis");
        let log = log(&out);
        assert!(out.join("events.csv").exists() && log.contains(said), "{name}: {log}");
        assert_eq!(out.join("kinetics.csv").exists(), has_times, "{name}: {log}");
        assert_eq!(log.contains(&format!("{no}{said}")), !has_times, "{name}: {log}");
        assert_eq!(log.contains("mean first passage times"), name != "plain", "{name}: {log}");
    }
}

/// Weights of samples of several harmonic windows at one temperature, by the equations of MBAR: Shirts and
/// Chodera (2008).
fn weights(q: &[f64], state: &[usize], k: f64, centers: &[f64]) -> Vec<f64> {
    let beta = units::beta(300.0);
    let energy = |q: f64, center: f64| beta * k * (q - center).powi(2);
    let counts: Vec<f64> = (0..centers.len())
        .map(|s| state.iter().filter(|other| **other == s).count() as f64)
        .collect();
    let mut f = vec![0.0; centers.len()];
    let density = |f: &[f64], q: f64| {
        let term = |s: usize| counts[s] * (f[s] - energy(q, centers[s])).exp();
        (0..centers.len()).map(term).sum::<f64>()
    };
    for _ in 0..20_000 {
        let sum = |s: usize| {
            let terms = q.iter().map(|q| (-energy(*q, centers[s])).exp() / density(&f, *q));
            -terms.sum::<f64>().ln()
        };
        f = (0..centers.len()).map(sum).collect();
    }
    let all: Vec<f64> = q.iter().map(|q| 1.0 / density(&f, *q)).collect();
    let total: f64 = all.iter().sum();
    all.into_iter().map(|w| w / total).collect()
}

#[test]
fn biased_runs_give_averages_without_bias() {
    let bias =
        "[[bias]]\nname = 'ends'\nvariable = 'distance'\nbeads = [0, 11]\nform = 'harmonic'\n";
    let alone = format!("{bias}k = 0.2\ncenter = 25.0\n");
    let windows = format!("{bias}k = 0.2\ncenter = [24.0, 26.0, 28.0]\n");
    let ladder = ["--ladder", "300,300,3", "--exchange-interval", "5"];
    for (name, text_of, options, centers) in [
        ("alone", &alone, &["--replicas", "2"][..], &[25.0][..]),
        ("windows", &windows, &["--replicas", "3"], &[24.0, 26.0, 28.0]),
        ("ladder", &windows, &ladder, &[24.0, 26.0, 28.0]),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("run");
        let file = temporary.path().join("bias.toml");
        std::fs::write(&file, text_of).unwrap();
        let common = ["--steps", "600", "--save-interval", "5", "--bias", text(&file)];
        run(&folder, &[&common[..], options].concat());
        let said = analyze(&[text(&folder), "--discard", "0.4"]);
        assert!(said.contains("300.0 K: rg ") && said.matches(" K: ").count() == 1, "{said}");
        let out = folder.join("analysis");
        let q = column(&out, "series", 5);
        let state: Vec<usize> = column(&out, "series", 3).iter().map(|s| *s as usize).collect();
        let weights = weights(&q, &state, 0.2, centers);
        let rg = column(&out, "series", 4);
        let expected: f64 = rg.iter().zip(&weights).map(|(x, w)| x * w).sum();
        let of_ends: f64 = q.iter().zip(&weights).map(|(x, w)| x * w).sum();
        let found = means(&out);
        assert!((found[0] - expected).abs() < 1e-4, "{name}: {}, {expected}", found[0]);
        assert!((found[1] - of_ends).abs() < 1e-3, "{name}: {}, {of_ends}", found[1]);
        assert!(log(&out).contains("biases ends"));
        // Blocks of a state are compared with the correlation in it, also with biases.
        let state = " % too small: a block of state 0 has ";
        let along = "autocorrelation times of rg_A along the replicas";
        assert_eq!(log(&out).contains(state), name != "ladder", "{name}: {}", log(&out));
        assert_eq!(log(&out).contains(along), name == "ladder", "{name}: {}", log(&out));
        assert!(out.join("free_energy_end_to_end_A.csv").exists());
    }
}
