//! `analyze` on trajectories: every quantity against MDTraj and MDAnalysis, and results that do not depend
//! on threads and chunks. `tests/data/analysis/make.py` made the numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flashschnet::Variable;
use flashschnet::analysis::frames::{ChunkReader, Frame, Track, in_chunks};
use flashschnet::analysis::measures::{Contacts, Measured, Measures, Room, Superposition};
use flashschnet::io::Trajectory;
use serde_json::Value;

use crate::common::program::{npy, program, stderr};

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/analysis").join(name)
}

fn golden(name: &str) -> Vec<f64> {
    static FILE: OnceLock<Value> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        serde_json::from_slice(&std::fs::read(data("golden.json")).unwrap()).unwrap()
    });
    file[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Analyzes the trajectory of the test data.
fn analyze(folder: &Path, arguments: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let [chain, native] = ["chain.xtc", "native.pdb"].map(data);
    let [chain, native] = [&chain, &native].map(|path| path.to_str().unwrap());
    let common = ["analyze", chain, "--topology", native, "--reference", native, "-o"];
    let arguments = [&common[..], &[folder.to_str().unwrap()], arguments].concat();
    let output = program(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    files(folder)
}

/// The contents of all files of a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// A column of an array of results.
pub(crate) fn column(folder: &Path, table: &str, column: usize) -> Vec<f64> {
    let (shape, values) = npy::<f64>(folder.join(format!("{table}.npy")));
    values.chunks(shape[1]).map(|row| row[column]).collect()
}

/// A column of a CSV table.
pub(crate) fn cells(folder: &Path, table: &str, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(format!("{table}.csv"))).unwrap();
    let mut lines = text.lines();
    let place = lines.next().unwrap().split(',').position(|column| column == name);
    let place = place.unwrap_or_else(|| panic!("{table} has no {name}"));
    lines.map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
}

fn assert_close(found: &[f64], name: &str, tolerance: f64) {
    let expected = golden(name);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() < tolerance, "{name} {k}: {found}, {expected}");
    }
}

#[test]
fn quantities_agree_with_mdtraj_and_mdanalysis() {
    let folder = tempfile::tempdir().unwrap();
    let (all, part) = (folder.path().join("all"), folder.path().join("part"));
    analyze(&all, &[]);
    let list: Vec<String> = golden("part").iter().map(f64::to_string).collect();
    analyze(&part, &["--beads", &list.join(",")]);
    // MDTraj computes in f32, with relative errors of about 1e-7 in squares of distances up to 90 Å.
    let series = [(&all, 2, "time"), (&all, 4, "rg"), (&all, 5, "end_to_end"), (&all, 6, "rmsd")];
    for (folder, k, name) in
        series.into_iter().chain([(&all, 7, "q"), (&part, 4, "rg_part"), (&part, 6, "rmsd_part")])
    {
        assert_close(&column(folder, "series", k), name, 2e-5);
    }
    assert_close(&column(&all, "rmsf", 3), "rmsf", 2e-6);
    assert_close(&column(&part, "rmsf", 3), "rmsf_part", 2e-6);
    let number = |cell: &String| cell.parse::<f64>().unwrap();
    let of_contacts = |name| cells(&all, "contacts", name).iter().map(number).collect::<Vec<_>>();
    // The table has six decimals.
    assert_close(&of_contacts("frequency"), "contacts", 1e-6);
    assert_close(&of_contacts("native"), "native", 0.5);
    let (shape, matrix) = npy::<f64>(all.join("contacts.npy"));
    assert_eq!(shape, [28, 28]);
    assert_eq!(matrix[3], matrix[28 * 3]);
    assert!((matrix[3] - golden("contacts")[0]).abs() < 1e-7 && matrix[2].is_nan());
    // The table of the series has the same numbers.
    let text: Vec<f64> = cells(&all, "series", "q").iter().map(number).collect();
    assert_close(&text, "q", 2e-6);
    assert_eq!(cells(&all, "series", "trajectory")[7], "chain");
}

#[test]
fn slow_components_agree_with_deeptime() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    analyze(&out, &["--lag", "10"]);
    let lags = column(&out, "tica_time_scales", 0);
    assert_eq!(lags, [2.0, 4.0, 10.0, 20.0, 40.0]);
    // Distances by MDTraj are in f32.
    for (k, expected) in golden("time_scales").into_iter().enumerate() {
        let found = column(&out, "tica_time_scales", 1 + 2 * k)[2];
        assert!((found - expected).abs() < 1e-5 * expected, "{found}, {expected}");
        let (of_frames, name) = (column(&out, "series", 8 + k), format!("tic_{}", k + 1));
        // deeptime multiplies components by their eigenvalue, and chooses a sign.
        let scale = (-10.0 / found).exp() * (of_frames[0] * golden(&name)[0]).signum();
        let scaled: Vec<f64> = of_frames.iter().map(|x| scale * x).collect();
        assert_close(&scaled, &name, 1e-4);
    }
    assert_eq!(cells(&out, "tica_features", "feature")[..2], ["distance_0_4", "distance_0_6"]);
}

#[test]
fn means_are_those_of_the_series() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let chosen = ["--discard", "301", "--stride", "3", "--temperature", "300", "--blocks", "5"];
    let profiles = ["--free-energy", "rmsd", "--free-energy", "rmsd_A", "--free-energy", "q,rg"];
    let written = analyze(&out, &[&chosen[..], &profiles].concat());
    let names = written.keys().filter(|name| name.starts_with("free") && name.ends_with("csv"));
    assert_eq!(names.collect::<Vec<_>>(), ["free_energy_q_rg_A.csv", "free_energy_rmsd_A.csv"]);
    let times = column(&out, "series", 2);
    assert_eq!((times[0], times[1] - times[0], times.len()), (302.0, 6.0, 50));
    for (k, (name, mean)) in
        cells(&out, "summary", "quantity").iter().zip(cells(&out, "summary", "mean")).enumerate()
    {
        let values: Vec<f64> = match name.as_str() {
            "folded_fraction" => {
                let folded = |q: f64| f64::from(u8::from(q > 0.55));
                column(&out, "series", 7).into_iter().map(folded).collect()
            }
            _ => column(&out, "series", 4 + k),
        };
        let expected = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean.parse::<f64>().unwrap() - expected).abs() < 1e-6, "{name}");
        // Blocks of equal size: the standard deviation of their means by √5.
        let means: Vec<f64> = values.chunks(10).map(|b| b.iter().sum::<f64>() / 10.0).collect();
        let square = means.iter().map(|x| (x - expected).powi(2)).sum::<f64>() / 4.0 / 5.0;
        let error: f64 = cells(&out, "summary", "error")[k].parse().unwrap();
        assert!((error - square.sqrt()).abs() < 1e-6, "{name}: {error}, {}", square.sqrt());
    }
    assert!(cells(&out, "summary", "samples").iter().all(|n| n == "50"));
}

#[test]
fn results_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    // More than one chunk.
    let bytes = std::fs::read(data("chain.xtc")).unwrap();
    let long = folder.path().join("long.xtc");
    std::fs::write(&long, bytes.repeat(10)).unwrap();
    let long = long.to_str().unwrap();
    let mut all = [1, 2, 5].map(|threads: usize| {
        let out = folder.path().join(format!("{threads}/out"));
        analyze(&out, &[long, "--threads", &threads.to_string(), "--lag", "8"])
    });
    let (first, others) = all.split_first_mut().unwrap();
    assert!(first.len() > 20, "{:?}", first.keys());
    for other in others {
        assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (name, bytes) in &*first {
            assert!(bytes == &other[name], "{name}");
        }
    }
}

#[test]
fn sums_do_not_depend_on_chunks() {
    let native = Trajectory::open(&data("chain.xtc"), 28).unwrap().read().unwrap().unwrap();
    let beads: Vec<u32> = (0..28).collect();
    let measures = Measures {
        variables: vec![Variable::radius_of_gyration()],
        contacts: Contacts::new(beads.clone(), 8.0),
        superposition: Superposition::new(beads, &native),
    };
    let mut track = Track::new("chain", 28);
    // Frames 100 to 149, and 20 to 219 of the same file.
    track.add(&data("chain.xtc"), (100, 50), |_, _| {}).unwrap();
    track.add(&data("chain.xtc"), (20, 200), |_, _| {}).unwrap();
    track.choose(3, 2);
    assert_eq!((track.len(), track.chosen()), (250, 124));
    let of_length = |n_frames| {
        let (mut sum, mut frames) = (Measured::default(), Vec::new());
        let work = |_, reader: &mut ChunkReader| {
            let (mut part, mut room, mut seen) = (Measured::default(), Room::default(), vec![]);
            while let Some(Frame { number: frame, stamp, positions }) = reader.read()? {
                measures.add(positions, &mut room, &mut part);
                seen.push((frame, stamp.unwrap().0));
            }
            Ok((part, seen))
        };
        in_chunks(std::slice::from_ref(&track), 1, n_frames, work, |_, (part, seen)| {
            sum.values.extend(part.values);
            sum.counts.resize(part.counts.len(), 0);
            sum.counts.iter_mut().zip(part.counts).for_each(|(n, m)| *n += m);
            sum.fluctuations.join(&part.fluctuations);
            frames.extend(seen);
            Ok(())
        })
        .unwrap();
        (sum.values, sum.counts, sum.fluctuations.rmsf(), frames)
    };
    let whole = of_length(1000);
    // Steps are 100, 200, … in the file.
    assert_eq!(whole.3[..2], [(3, 10_400), (5, 10_600)]);
    assert_eq!(whole.3[24], (51, 2200));
    for n_frames in [1, 7, 64] {
        assert_eq!(of_length(n_frames), whole, "{n_frames}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.xtc");
    std::fs::write(&long, std::fs::read(data("chain.xtc")).unwrap().repeat(1500)).unwrap();
    let mut command = std::process::Command::new(crate::common::program::PROGRAM);
    command.arg("analyze").arg(&long).arg("--topology").arg(data("native.pdb"));
    command.arg("-o").arg(folder.path().join("new/out")).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let partial = folder.path().join(format!("new/.out.{}.partial/series.csv", child.id()));
    while !partial.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the analysis was too fast");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SAFETY: the call takes numbers alone.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = stderr(&output);
    assert!(said.ends_with("\ninterrupted by SIGINT; nothing is written\n"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The memory that a process had at most, kB. It is looked at every few milliseconds, because the number
/// that the system tells at the end contains the memory of this process.
#[cfg(target_os = "linux")]
fn peak(command: &mut std::process::Command) -> u64 {
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = found.unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    assert!(child.wait().unwrap().success());
    peak
}

/// The short form of tests/long/analysis.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_trajectory() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(data("chain.xtc")).unwrap();
    let of_copies = |n: usize| {
        let [path, out] = ["xtc", "out"].map(|end| folder.path().join(format!("{n}.{end}")));
        std::fs::write(&path, bytes.repeat(n)).unwrap();
        let mut command = std::process::Command::new(crate::common::program::PROGRAM);
        command.arg("analyze").arg(path).arg("--topology").arg(data("native.pdb"));
        command.arg("--threads").arg("2").arg("-o").arg(out).stderr(std::process::Stdio::null());
        peak(&mut command)
    };
    // 1.3 and 63 MB. The samples in memory grow, up to 2^18.
    let [small, large] = [20, 1000].map(of_copies);
    assert!(small > 5000 && large < small + 30_000, "{small} and {large} kB");
}
