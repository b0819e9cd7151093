//! The program under test, and a small system in native files for it.
#![allow(dead_code, reason = "every test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use flashschnet::io::DcdReader;
use flashschnet::io::native::{write_model, write_structures};

use super::small;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_flashschnet");

/// The small system in native files.
pub(crate) fn small_files() -> &'static [PathBuf; 2] {
    static FILES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let model = folder.join("small.model.safetensors");
        let structures = folder.join("small.structures.safetensors");
        write_model(&model, &small::model()).unwrap();
        write_structures(&structures, &small::structures()).unwrap();
        [model, structures]
    })
}

/// Arguments that choose the small system on the reference backend.
pub(crate) fn small_system() -> Vec<&'static str> {
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    vec!["--model", model, "--structures", structures, "--backend", "reference"]
}

pub(crate) fn program(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// The program with a command, the small system and an output path.
pub(crate) fn with_system(command: &str, arguments: &[&str], output: &Path) -> Command {
    let mut program = Command::new(PROGRAM);
    program.arg(command).args(small_system()).args(arguments).arg("-o").arg(output);
    program
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn xtc(path: &Path) -> Vec<molly::Frame> {
    molly::XTCReader::open(path).unwrap().read_all_frames().unwrap().into_vec()
}

pub(crate) fn dcd(path: &Path) -> Vec<Vec<[f32; 3]>> {
    let mut reader = DcdReader::open(path).unwrap();
    std::iter::from_fn(|| reader.read().unwrap().map(<[_]>::to_vec)).collect()
}

/// The shape of an array, and its values in the order of the file.
pub(crate) fn npy<T: npyz::Deserialize>(path: PathBuf) -> (Vec<usize>, Vec<T>) {
    let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    (file.shape().iter().map(|n| *n as usize).collect(), file.into_vec().unwrap())
}

/// The rows of a table as numbers, without the header. An empty cell is NaN.
pub(crate) fn table(path: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let number = |cell: &str| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() };
    text.lines().skip(1).map(|row| row.split(',').map(number).collect()).collect()
}
