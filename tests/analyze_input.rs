//! `analyze`: the times of trajectories, inputs that do not fit together, and the place of the results.

use std::path::{Path, PathBuf};

use crate::analysis::{cells, column, data, files};
use crate::common::program::{npy, program, small_files, stderr, with_system};

/// The frames of the test data, 2 ps apart, each as the bytes of an XTC file.
fn frames() -> Vec<Vec<u8>> {
    let bytes = std::fs::read(data("chain.xtc")).unwrap();
    let (mut rest, mut frames) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[88..92].try_into().unwrap()) as usize;
        let (frame, others) = rest.split_at(92 + length.next_multiple_of(4));
        frames.push(frame.to_vec());
        rest = others;
    }
    assert_eq!(frames.len(), 300);
    frames
}

/// The frame at another time, ps.
fn at(frame: &[u8], time: f32) -> Vec<u8> {
    [&frame[..12], &time.to_be_bytes(), &frame[16..]].concat()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, frames: &[Vec<u8>]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, frames.concat()).unwrap();
        path
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The arguments to analyze trajectories of the test data.
fn arguments(inputs: &[&Path], output: &Path, more: &[&str]) -> Vec<String> {
    let native = data("native.pdb");
    let inputs = inputs.iter().map(|path| text(path));
    let options = ["--topology", text(&native), "--reference", text(&native), "-o", text(output)];
    let all = ["analyze"].into_iter().chain(inputs).chain(options).chain(more.iter().copied());
    all.map(str::to_owned).collect()
}

fn analyze(inputs: &[&Path], output: &Path, more: &[&str]) -> String {
    let arguments = arguments(inputs, output, more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = program(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

fn refused(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

/// The results without the numbers of frames and trajectories, and without names of inputs.
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = files(folder);
    let others = ["series.", "events.", "analysis.", "report."];
    all.retain(|name, _| !others.iter().any(|other| name.starts_with(other)));
    assert!(all.contains_key("summary.csv") && all.contains_key("kinetics.csv"));
    all.into_iter().collect()
}

#[test]
fn joined_files_give_the_results_of_their_parts() {
    let folder = Folder::new();
    let frames = frames();
    // Joined with itself, with frames that are missing, and a part at a frame that both files have.
    let again = [&frames[..], &frames[..]].concat();
    let gap = [&frames[..100], &frames[111..]].concat();
    let continued = [&frames[..150], &frames[149..]].concat();
    for (name, joined, parts, said) in [
        (
            "again",
            again,
            [&frames[..], &frames[..]],
            "frame 300 follows 600 ps and has 2 ps; 2 parts",
        ),
        ("gap", gap, [&frames[..100], &frames[111..]], "frame 100 follows 200 ps and has 224 ps"),
        ("continued", continued, [&frames[..150], &frames[150..]], "1 frames have the time of"),
    ] {
        let joined = folder.file(&format!("{name}.xtc"), &joined);
        let parts = [0, 1].map(|k| folder.file(&format!("{name}_{k}.xtc"), parts[k]));
        let outs = ["joined", "parts"].map(|part| folder.path(&format!("{name}_{part}")));
        let [one, two] = parts.each_ref().map(PathBuf::as_path);
        for more in [&["--lag", "10"][..], &["--lag", "6", "--discard", "50", "--stride", "2"]] {
            let told = analyze(&[&joined], &outs[0], more);
            assert!(told.contains(said), "{told}");
            analyze(&[one, two], &outs[1], more);
            let [found, expected] = outs.each_ref().map(|out| results(out));
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found == expected, "{name}: {}", expected.0);
            }
            assert_eq!(found.len(), expected.len());
            for table in ["series", "events"] {
                let [found, expected] = outs.each_ref().map(|out| cells(out, table, "time_ps"));
                assert_eq!(found, expected, "{name}: {table}");
            }
        }
        // One trajectory, whose frames have the numbers in the file.
        assert!(column(&outs[0], "series", 0).iter().all(|number| *number == 0.0));
        let numbers = column(&outs[0], "series", 1);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {numbers:?}");
        assert!(column(&outs[0], "events", 1).iter().all(|time| *time >= 50.0));
    }
}

#[test]
fn times_of_files_decide() {
    let folder = Folder::new();
    let out = folder.path("out");
    let frames = frames();
    let times = || column(&folder.path("out"), "series", 2);
    analyze(&[&folder.file("one.xtc", &frames[..1])], &out, &[]);
    assert_eq!(times(), [2.0]);
    let refused_at = |path: &Path, discard: &str| {
        let arguments = arguments(&[path], &folder.path("out"), &["--discard", discard]);
        refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let path = folder.file("some.xtc", &frames[..10]);
    assert!(refused_at(&path, "20.5").contains("at most 20 ps, the time of the last frame"));
    analyze(&[&path], &out, &["--discard", "20"]);
    assert_eq!(times(), [20.0]);
    // 0.3 and 2.1 are rounded.
    let said = analyze(&[&path], &out, &["--discard", "2.1", "--interval", "0.3"]);
    assert!(
        said.contains("some: --interval 0.3 replaces the times of the file, 2 to 20 ps"),
        "{said}"
    );
    assert_eq!((times().len(), (times()[0] * 10.0).round()), (3, 21.0));
    let small: Vec<_> = frames[..10].iter().zip(0..).map(|(f, k)| at(f, k as f32 * 0.3)).collect();
    analyze(&[&folder.file("small.xtc", &small)], &out, &["--discard", "2.1"]);
    assert_eq!((times().len(), (times()[0] * 10.0).round()), (3, 21.0));
    // Late times have few digits.
    let late: Vec<_> = frames.iter().zip(0..).map(|(f, k)| at(f, 5e5 + k as f32 * 0.3)).collect();
    let said = analyze(&[&folder.file("late.xtc", &late)], &out, &["--discard", "500003"]);
    assert!(!said.contains("evenly"), "{said}");
    assert_eq!(times().len(), 290);
    // A file whose times are all the same tells none.
    let same: Vec<_> = frames[..10].iter().map(|frame| at(frame, 0.0)).collect();
    let same = folder.file("same.xtc", &same);
    assert!(refused_at(&same, "1").contains("trajectories that tell times"));
    analyze(&[&same], &out, &["--interval", "2"]);
    assert_eq!(times()[9], 18.0);
}

#[test]
fn results_replace_those_at_any_path_of_their_folder() {
    let folder = Folder::new();
    let path = folder.file("some.xtc", &frames()[..20]);
    let out = folder.path("a/out");
    analyze(&[&path], &out, &[]);
    let expected = files(&out);
    for other in ["a/out/../out", "a/out/.", "a/../a/out/", "a/out/../../a/./out"] {
        std::fs::write(out.join("old.txt"), "").unwrap();
        analyze(&[&path], &folder.path(other), &[]);
        assert_eq!(files(&out).keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(folder.path("a")).unwrap().count(), 1, "{other}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&out, folder.path("link")).unwrap();
        analyze(&[&path], &folder.path("link"), &["--bins", "7"]);
        let log = std::fs::read_to_string(out.join("analysis.log")).unwrap();
        assert!(log.contains("7 bins") && folder.path("link").is_symlink());
    }
}

#[test]
fn numbers_in_arrays_are_those_of_inputs_and_residues() {
    let folder = Folder::new();
    let frames = frames();
    // Only the second trajectory has events.
    let paths = [folder.file("still.xtc", &frames[..2]), folder.file("all.xtc", &frames)];
    let out = folder.path("out");
    analyze(&[&paths[0], &paths[1]], &out, &[]);
    assert_eq!(column(&out, "series", 0)[1..3], [0.0, 1.0]);
    let events = column(&out, "events", 0);
    assert!(!events.is_empty() && events.iter().all(|number| *number == 1.0), "{events:?}");
    assert!(cells(&out, "events", "trajectory").iter().all(|name| name == "all"));
    let residues: Vec<f64> =
        cells(&out, "rmsf", "residue").iter().map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(column(&out, "rmsf", 1), residues);
}

#[test]
fn positions_far_away_are_refused() {
    let folder = Folder::new();
    let path = folder.path("far.npy");
    let mut positions: Vec<[f64; 3]> = (0..28).map(|k| [3.8 * f64::from(k), 0.0, 0.0]).collect();
    let write = |positions: &[[f64; 3]]| {
        let mut bytes = flashschnet::io::npy_header(&[2, 28, 3]);
        let two = positions.iter().chain(positions).flatten();
        bytes.extend(two.flat_map(|x| x.to_le_bytes()));
        std::fs::write(&path, bytes).unwrap();
    };
    positions[3] = [9.9e5, -9.9e5, 9.9e5];
    write(&positions);
    let out = folder.path("out");
    analyze(&[&path], &out, &[]);
    assert!(npy::<f64>(out.join("rmsf.npy")).1.chunks(4).all(|row| row[3] < 0.1));
    positions[3][1] = 1.1e6;
    write(&positions);
    let arguments = arguments(&[&path], &out, &[]);
    let said = refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        said.contains("far.npy: frame 0, bead 3: found [990000.0, 1100000.0, 990000.0]"),
        "{said}"
    );
}

#[test]
fn inputs_that_do_not_fit_together_are_refused() {
    let folder = Folder::new();
    let other = folder.path("other.safetensors");
    let reference = small_files()[1].clone();
    std::fs::copy(&reference, &other).unwrap();
    let run = |name: &str, reference: &Path, cutoff: &str| {
        let options = ["--steps", "20", "--save-interval", "5", "--observables", "rmsd,q"];
        let of_q = ["--reference", text(reference), "--q-cutoff", cutoff];
        let path = folder.path(name);
        let output = with_system("run", &[&options[..], &of_q].concat(), &path).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        path
    };
    let [a, b, c] = [("a", &reference, "15"), ("b", &other, "15"), ("c", &reference, "14")]
        .map(|(name, reference, cutoff)| run(name, reference, cutoff));
    let out = folder.path("out");
    let analyze = |inputs: &[&Path], more: &[&str]| {
        let inputs: Vec<&str> = inputs.iter().map(|path| text(path)).collect();
        program(&[&["analyze"], &inputs[..], &["-o", text(&out)], more].concat())
    };
    let expect = |inputs: &[&Path], more: &[&str], expected: &str| {
        let output = analyze(inputs, more);
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    let twice = folder.path("b/../a");
    expect(&[&a, &twice], &[], "b/../a twice, expected different files or folders");
    expect(&[&a, &c], &[], "c/settings.toml: q-cutoff: found 14, expected 15, as in ");
    expect(&[&a, &c], &["--reference", text(&reference)], "q-cutoff: found 14, expected 15");
    assert!(analyze(&[&a, &c], &["--q-cutoff", "15"]).status.success());
    // The same reference in another file.
    assert!(analyze(&[&a, &b], &[]).status.success());
    std::fs::write(&other, "other").unwrap();
    expect(&[&a, &b], &[], "b/settings.toml: reference: found ");
    assert!(analyze(&[&a, &b], &["--reference", text(&reference)]).status.success());
    std::fs::remove_file(&other).unwrap();
    expect(&[&b], &[], "b/settings.toml: reference: found ");
    expect(&[&b], &[], "expected a file that exists, or --reference FILE");
    assert!(analyze(&[&b], &["--reference", text(&reference)]).status.success());
    expect(&[&a], &["--threads", "100000"], "--threads: found 100000, expected 1 to ");
}

#[test]
fn the_log_tells_the_beads_of_contacts() {
    let folder = Folder::new();
    let path = folder.file("some.xtc", &frames()[..20]);
    let (out, topology) = (folder.path("out"), folder.path("mixed.pdb"));
    let native = std::fs::read_to_string(data("native.pdb")).unwrap();
    let log = || std::fs::read_to_string(folder.path("out/analysis.log")).unwrap();
    for (text_of, expected) in [
        (native.clone(), None),
        (native.replacen("  CA  ", "  CB  ", 3), Some("contacts and TICA: 25 CA beads of 28\n")),
        (native.replace("  CA  ", "  CB  "), None),
    ] {
        std::fs::write(&topology, text_of).unwrap();
        let arguments = ["analyze", text(&path), "--topology", text(&topology), "-o", text(&out)];
        let output = program(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        match expected {
            Some(line) => assert!(log().contains(line), "{}", log()),
            None => assert!(!log().contains("CA beads of"), "{}", log()),
        }
    }
}
