//! The program answers bad input with one line that names the fault.

use std::path::Path;
use std::process::Command;

use flashschnet::io::native::write_structures;

use crate::common::program::{PROGRAM, program, small_files, small_system, stderr, stdout};
use crate::common::small;
use crate::pt;

/// The program prints one line that starts with `error: ` and names the fault, and exits with 1.
#[test]
fn bad_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a case").unwrap();
    let file = file.to_str().unwrap();
    let in_file = format!("{file}/run");
    let system = small_system().join(" ");
    let run = |arguments: &str| format!("run {system} -o {out} {arguments}");
    let table = [
        (run("--steps 0"), "--steps: found 0"),
        (run("--steps 10 --save-interval 0"), "save-interval: found 0"),
        (run("--steps 10 --temperature 0"), "temperature: found 0, expected a temperature > 0 K"),
        (run("--steps 10 --temperature -5"), "temperature: found -5"),
        (run("--steps 10 --temperature nan"), "temperature: found NaN"),
        (run("--steps 10 --temperature 1,2 --replicas 3"), "temperature: found 2 values"),
        (run("--steps 10 --dt 0"), "dt: found 0"),
        (run("--steps 10 --dt -0.004"), "dt: found -0.004"),
        (run("--steps 10 --friction 0"), "friction: found 0"),
        (run("--steps 10 --replicas 0"), "replicas: found 0"),
        (run("--steps 10 --replicas 99999999999"), "replicas: found 99999999999"),
        (run("--steps 10 --temperature 1e300"), "--temperature: found 1e300, expected a temp"),
        (run("--steps 10 --dt 1e300"), "--dt: found 1e300, expected a time step"),
        (run("--steps 10 --friction -1e300"), "--friction: found -1e300, expected a number > 0"),
        (run("--steps 10 --max-hours -1"), "--max-hours: found -1, expected a time > 0"),
        (
            run("--steps 10 --filter table --table-tolerance -1"),
            "--table-tolerance: found -1, expected a number",
        ),
        (
            run("--steps 10 --first-replica 4294967290"),
            "--first-replica: found 4294967290, expected at most 4294967231, so that 64 replicas",
        ),
        (run("--steps 10 --adapter 0"), "adapter: found 0, expected no adapter with"),
        (
            format!("run {system} --steps 1 -o {in_file}"),
            if cfg!(windows) { "os error 183" } else { "Not a directory" },
        ),
        (format!("run {system} --steps 1 -o {file}"), "a folder"),
        (format!("run --model nowhere.pt --steps 1 -o {out}"), no_file!("nowhere.pt: ")),
        ("energy --model nowhere.pt".into(), no_file!("nowhere.pt: ")),
        (format!("import nowhere.pt -o {out}"), no_file!("nowhere.pt: ")),
        ("verify nowhere.json".into(), no_file!("nowhere.json: ")),
        (format!("verify {}", folder.path().display()), "expected JSON files with"),
        ("info --precision --model nowhere.pt".into(), no_file!("nowhere.pt: ")),
        (format!("info --precision {system}"), "precision: found mixed, expected f32 with the"),
        ("parity --backends cpu,reference --replicas 0".into(), "--replicas: found 0"),
        ("bench --steps 3".into(), "steps: found 3"),
        ("bench --steps 4 --backend reference --replicas 0".into(), "replicas: found 0"),
    ];
    for (arguments, message) in table {
        let output = program(&arguments.split(' ').collect::<Vec<_>>());
        let said = stderr(&output);
        let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("note: ")).collect();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(errors.len() == 1 && errors[0].starts_with("error: "), "{arguments}: {said}");
        assert!(errors[0].contains(message), "{arguments}: {said}");
        assert!(!Path::new(out).exists(), "{arguments}: left a folder behind");
    }
    // Values that do not parse are named in the same way, but with exit code 2.
    let long = "1".repeat(300);
    for (arguments, message) in [
        (run("--steps -1"), "--steps: found -1, expected a whole number >= 1"),
        (run("--steps 1e6"), "--steps: found 1e6, expected a whole number >= 1"),
        (
            run(&format!("--steps {long}")),
            "(300 characters), expected a whole number from 1 to 1844",
        ),
        (run("--steps 9 --replicas -1"), "--replicas: found -1, expected a whole number >= 1"),
        (run("--steps 9 --seed -1"), "--seed: found -1, expected a whole number >= 0"),
        (
            run("--steps 9 --first-replica 4294967296"),
            "--first-replica: found 4294967296, expected a whole number from 0 to 4294967295",
        ),
        (run("--steps 9 --dt x"), "--dt: found x, expected a number"),
        ("bench --replicas 1,-1".into(), "--replicas: found -1, expected a whole number >= 1"),
        ("verify --max-steps -1".into(), "--max-steps: found -1, expected a whole number >= 0"),
    ] {
        let output = program(&arguments.split(' ').collect::<Vec<_>>());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        let one_line = said.lines().count() == 1 && said.starts_with("error: --");
        assert!(one_line && said.contains(message) && said.len() < 250, "{arguments}: {said}");
    }
    // Arguments that do not parse are usage errors, with exit code 2.
    for arguments in [
        "run",
        "run --steps x",
        "fly",
        "energy",
        "run --builtin --model m --steps 1",
        "info --precision",
        "info --precision mixed --builtin",
        "info --precision --builtin --model m",
        "info --builtin --structures s",
        "info --model m --json",
        "info --structures s --backend cpu",
        "info --backend cpu",
        "info --json",
    ] {
        let output = program(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
    let output = program(&["verify", "--backend", "reference", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("fail"));
}

/// Copies a native file and replaces the first bytes of a tensor.
fn damage(from: &Path, to: &Path, tensor: &str, numbers: &[u8]) {
    let mut bytes = std::fs::read(from).unwrap();
    let view = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let at = view.tensor(tensor).unwrap().data().as_ptr() as usize - bytes.as_ptr() as usize;
    bytes[at..at + numbers.len()].copy_from_slice(numbers);
    std::fs::write(to, bytes).unwrap();
}

/// The error names a bad file and the place of the damage.
#[test]
fn bad_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [model, structures] = small_files();
    // Positions are stored in single or double precision, whichever holds them exactly.
    let bytes = std::fs::read(structures).unwrap();
    let view = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let nan = match view.tensor("positions").unwrap().dtype() {
        safetensors::Dtype::F32 => f32::NAN.to_le_bytes().to_vec(),
        _ => f64::NAN.to_le_bytes().to_vec(),
    };
    damage(structures, &path("nan"), "positions", &nan);
    damage(structures, &path("mass"), "topology0.masses", &[0; 8]);
    damage(structures, &path("type"), "topology0.types", &77_u32.to_le_bytes());
    damage(structures, &path("tuple"), "topology0.list0", &77_u32.to_le_bytes());
    std::fs::write(path("text"), "this is not a structure").unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("short"), &bytes[..bytes.len() - 5]).unwrap();
    let of_model = std::fs::read(model).unwrap();
    let text = String::from_utf8_lossy(&of_model).into_owned();
    assert!(text.contains(r#"\"upper\":8.0"#), "the header holds the cutoffs");
    // The new text has the same length, so the stored length of the header stays right.
    let edited: Vec<u8> = replaced(&of_model, br#"\"upper\":8.0"#, br#"\"upper\":0.0"#);
    std::fs::write(path("cutoff"), edited).unwrap();

    let mut other = small::structures();
    let topology =
        flashschnet::structure::Topology { lists: Vec::new(), ..(*other[0].topology).clone() };
    other.truncate(1);
    other[0].topology = std::sync::Arc::new(topology);
    write_structures(&path("unlisted"), &other).unwrap();

    let (model, structures) = (model.as_path(), structures.as_path());
    let table = [
        (model, path("nan"), "positions"),
        (model, path("mass"), "masses[0]: found 0, expected a mass > 0"),
        (model, path("type"), "types[0]: found 77, expected a bead type below 21"),
        (model, path("tuple"), "expected a bead below 12"),
        (model, path("text"), "text: content: found a text that starts with"),
        (model, path("empty"), "an empty file"),
        (model, path("short"), "short: "),
        (model, path("nowhere"), no_file!("nowhere: ")),
        (model, model.to_owned(), "flashschnet-model"),
        (structures, structures.to_owned(), "flashschnet-structures"),
        (&path("cutoff"), structures.to_owned(), "upper: found 0, expected a cutoff > 0"),
        (
            model,
            path("unlisted"),
            "tuple lists: found none, expected a list bonds of 2-tuples for the prior",
        ),
    ];
    for (model, structures, message) in table {
        let mut command = Command::new(PROGRAM);
        command.args(["energy", "--backend", "reference", "--model"]).arg(model);
        let output = command.arg("--structures").arg(&structures).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}: {said}");
        let one_line = said.lines().count() == 1 && said.starts_with("error: ");
        assert!(one_line && said.contains(message), "{message}: {said}");
    }
    let alone = program(&["energy", "--model", model.to_str().unwrap()]);
    assert!(stderr(&alone).contains("--structures FILE"), "{}", stderr(&alone));
}

/// The bytes with every `old` replaced by `new`, which has the same length.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
    bytes
}

/// The output folder is in /proc, where not even root can create a folder.
#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_output_is_named() {
    use crate::common::program::with_system;
    let folder = Path::new("/proc/flashschnet");
    let output = with_system("run", &["--replicas", "1", "--steps", "1"], folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: /proc/flashschnet: "), "{}", stderr(&output));
}

/// A file of the wrong kind is called by its name, whichever option it is given to.
#[test]
fn files_of_the_wrong_kind_are_called_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let zip = |names: &[&str]| {
        let members: Vec<_> = names.iter().map(|n| ((*n).to_owned(), b"N.".to_vec())).collect();
        pt::zip(&members)
    };
    let [model, structures] = small_files().each_ref().map(|path| path.to_str().unwrap());
    let frames = crate::common::dcd::Dcd::default().bytes(&crate::common::dcd::frames(2, 12, &[]));
    let mut code = zip(&["a/data.pkl", "a/code/__torch__/m.py"]);
    // TorchScript compresses its code.
    let entry = code.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    code[entry + 10] = 8;
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    // For each file: its name, and how it is called.
    let table = [
        (file("pointer.pt", lfs), "a Git LFS pointer"),
        (file("page.pt", b"\xef\xbb\xbf\n <!DOCTYPE html><html></html>"), "a web page (HTML)"),
        (file("script.pt", &code), "a TorchScript archive"),
        (file("script2.pt", &zip(&["a/data.pkl", "a/constants.pkl"])), "a TorchScript archive"),
        (file("positions.npz", &zip(&["positions.npy"])), "a NumPy archive (.npz)"),
        (file("other.zip", &zip(&["readme.txt"])), "a zip file of another program"),
        (file("chain.pdb", b"ATOM      1  CA  ALA A   1\n"), "a PDB file"),
        (file("chain.cif", b"data_1UBQ\n"), "an mmCIF file"),
        (file("answer.json", b"{\"error\": \"Not Found\"}"), "a JSON text"),
        (file("model.pt.gz", b"\x1f\x8b\x08\x00rest"), "a gzip file"),
        (file("old.pt", b"\x80\x02\x8a\nrest"), "PyTorch before 1.6"),
        (file("frames.dcd", &frames), "a DCD file, which is a trajectory (--trajectory)"),
        (
            file("frames.xtc", b"\0\0\x07\xcb\0\0\0\x0c"),
            "an XTC file, which is a trajectory (--trajectory)",
        ),
        (file("babel.pdb", b"COMPND    UNNAMED\nAUTHOR    OPEN BABEL\nATOM"), "a PDB file"),
        (
            file("chain.gro", b"\n    1\n    1ALA     CA    1   0.126   1.624   1.679\n"),
            "a GROMACS .gro file",
        ),
        (file("damaged.html", b"\x01\xef\xbb\xbf<html>\0\x02"), "a web page (HTML)"),
        (file("answer.txt", b"HTTP/1.1 404 Not Found\r\n\r\n"), "an HTTP response"),
        (file("notes.rtf", b"{\\rtf1\\ansi}"), "an RTF document"),
        (file("model.pt.bz2", b"BZh91AY&SY"), "a bzip2 file"),
        (file("model.pt.xz", b"\xfd7zXZ\0\0\x04"), "an xz file"),
        (file("model.pt.zst", b"\x28\xb5\x2f\xfd\x04"), "a zstd file"),
        (file("nothing.pt", b""), "an empty file"),
        (file("zeros.pt", &[0; 4096]), "a file of zeros"),
        (file("noise.bin", b"\x01\x02\x03\x04\xff\xfe"), "binary data of an unknown kind"),
    ];
    let says = |arguments: &[&str], path: &str, name: &str| {
        let output = program(arguments);
        let said = [stderr(&output), stdout(&output)].concat();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(path) && said.contains(name), "{arguments:?}: {said}");
        // No dump of bytes.
        let message = said.replace(path, "");
        assert!(!message.contains('[') && !message.contains("0x"), "{arguments:?}: {said}");
    };
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    for (path, name) in &table {
        says(&["energy", "--model", path, "--structures", structures], path, name);
        says(&["energy", "--model", model, "--structures", path], path, name);
        says(&["energy", "--model", model, "--priors", path], path, name);
        says(&["import", path, "-o", out], path, name);
        if !name.contains("--trajectory") {
            let zipped = name.contains("TorchScript") || name.contains("another program");
            let name = if zipped { "a .pt or zip file" } else { name };
            let inputs = ["--model", model, "--structures", structures];
            let arguments = [&["energy"], &inputs[..], &["--trajectory", path]].concat();
            says(&arguments, path, name);
        }
        if !["a JSON text", "an RTF document"].contains(name) {
            let name = match pt_or_npz(name) {
                true => "expected the JSON manifest of a case",
                false => name,
            };
            says(&["verify", "--backend", "reference", path], path, name);
        }
    }
    // Tensors without an architecture.
    let header =
        br#"{"__metadata__":{"format":"pt"},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    assert_eq!(header.len(), 84, "the length of the first record of a DCD file");
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header, b"\x01"].concat();
    let tensors = file("hub.safetensors", &tensors);
    for option in ["--model", "--structures", "--trajectory"] {
        let mut arguments = vec!["energy", "--model", model, "--structures", structures];
        match arguments.iter().position(|given| *given == option) {
            Some(at) => arguments[at + 1] = &tensors,
            None => arguments.extend([option, &tensors]),
        }
        let name = if option == "--trajectory" { "a safetensors file" } else { "Hugging Face" };
        says(&arguments, &tensors, name);
    }
    // Files of this program under the wrong option.
    says(
        &["energy", "--model", structures],
        structures,
        "a file of native structures (--structures)",
    );
    says(
        &["energy", "--model", model, "--structures", model],
        model,
        "\"flashschnet-model\", a native model file (--model)",
    );
    let chain = file("chain.pt", &pt::file(&pt::structure(vec![])));
    let priors = file("priors.pt", &pt::file(&pt::module_dict(pt::keyed_priors())));
    says(&["energy", "--model", &chain], &chain, "expected a model; --structures takes this file");
    let error = flashschnet::model::Model::load(chain.as_ref()).unwrap_err().to_string();
    assert!(error.ends_with("expected a model; give this file as structures"), "{error}");
    let inputs = ["energy", "--model", model, "--structures", &priors];
    says(
        &inputs,
        &priors,
        "expected structures; give this file as a model or as priors (--model, --priors)",
    );
    says(&["energy", "--model", model, "--priors", &chain], &chain, "structures and no model");
    let inputs = ["energy", "--model", model, "--structures", structures, "--trajectory"];
    says(&[&inputs[..], &[model]].concat(), model, "found a native model file (--model)");
    says(
        &[&inputs[..], &[structures]].concat(),
        structures,
        "a file of native structures (--structures)",
    );
    says(&["verify", "--backend", "reference", model], model, "a native model file (--model)");
    let case = file("case.json", b"{\"file\": \"x\", \"tensors\": {}}");
    says(
        &["energy", "--model", &case],
        &case,
        "a reference case for verification (flashschnet verify)",
    );
}

fn pt_or_npz(name: &str) -> bool {
    ["TorchScript", "another program"].iter().any(|zip| name.contains(zip))
}

/// Names in files and names of files never reach a terminal, a table or a log with characters that
/// control it.
#[test]
fn names_control_no_terminal() {
    const BAD: [&str; 4] = ["\u{1b}]0;title\u{7}", "a\nerror: all fine", "\u{9b}2J", "\u{202e}x"];
    let folder = tempfile::tempdir().unwrap();
    let [_, structures] = small_files().each_ref().map(|path| path.to_str().unwrap());
    let silent = |arguments: &[&str]| {
        let output = program(arguments);
        let said = [stderr(&output), stdout(&output)].concat();
        let control = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(control), "{said:?}");
        assert!(!said.lines().any(|line| line.contains("all fine") && line.len() < 40), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    for bad in BAD {
        // In a pickle, in the library, and in the name of a file.
        let path = folder.path().join("model.pt");
        let path = path.to_str().unwrap();
        let (_, prior) = pt::keyed_priors().remove(0);
        for value in [
            pt::module_dict(vec![(bad, prior.clone())]),
            pt::prior("GeneralBonds", bad, vec![]),
            pt::Py::Str(bad.into()),
            pt::structure(vec![("pos", bad.into())]),
            pt::module(("mlcg.nn", "Unknown"), [], [(bad, prior.clone())], []),
        ] {
            std::fs::write(path, pt::file(&value)).unwrap();
            silent(&["energy", "--model", path, "--structures", structures]);
            silent(&["energy", "--model", structures, "--structures", path]);
            silent(&["import", path, "-o", folder.path().join("out").to_str().unwrap()]);
        }
        let mut model = small::model();
        model.priors[0].name = bad.into();
        let error = model.check().unwrap_err().to_string();
        assert!(error.contains("prior name: found") && !error.contains(char::is_control));
        let mut topology = (*small::structures()[0].topology).clone();
        topology.lists[0].name = bad.into();
        assert!(topology.check().unwrap_err().to_string().contains("list name: found"));

        let path = folder.path().join(bad.replace('/', "-"));
        let path = path.to_str().unwrap();
        silent(&["energy", "--model", path]);
        std::fs::write(path, "text").unwrap();
        silent(&["energy", "--model", path]);
        silent(&["verify", "--backend", "reference", path]);
    }
    let mut model = small::model();
    model.priors[0].name = "x".repeat(201);
    let error = model.check().unwrap_err().to_string();
    assert!(error.contains("found 201 characters, expected at most 200"), "{error}");
}
