//! The commands that analyze a run and show a trajectory.

use std::path::Path;

use crate::cli::report::Look;

/// The command that analyzes a run of one molecule. There is none if the path cannot be written in
/// a line of text.
pub(super) fn analysis(folder: &Path) -> Option<String> {
    let text = folder.to_str().filter(|text| !text.contains(char::is_control))?;
    let has_one = folder.join("topology.pdb").is_file();
    has_one.then(|| format!("flashschnet analyze {}", quoted(text)))
}

/// One command for each viewer. There are none if a file is missing, or if a path cannot be written
/// in a line of text.
pub(super) fn commands(look: &Look) -> Vec<String> {
    let paths = [&look.topology, &look.trajectory];
    let texts = paths.map(|path| path.to_str().filter(|_| path.is_file()));
    let [Some(topology), Some(trajectory)] = texts else { return Vec::new() };
    if [topology, trajectory].concat().contains(char::is_control) {
        return Vec::new();
    }
    // PyMOL names a molecule after its file, and reads a command as Python.
    let molecule = look.topology.file_stem().unwrap_or_default().to_string_lossy();
    let load = format!("cmd.load_traj({}, {})", python(trajectory), python(&molecule));
    vec![
        format!("vmd {} {}", quoted(topology), quoted(trajectory)),
        format!("pymol {} -d {}", quoted(topology), quoted(&load)),
    ]
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./+:@%,=".contains(c);
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    match text.chars().all(is_plain) {
        true => text,
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Text as a string of Python, with quotes that both shells leave alone in their own quotes.
fn python(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    match cfg!(windows) {
        true => format!("'{}'", text.replace('\'', "\\'")),
        false => format!("\"{}\"", text.replace('"', "\\\"")),
    }
}

// A shell of Unix reads the commands.
#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        for (name, topology, load) in [
            ("run", "run/topology.pdb", "cmd.load_traj(\"run/a.xtc\", \"topology\")"),
            ("a b", "a b/topology.pdb", "cmd.load_traj(\"a b/a.xtc\", \"topology\")"),
            ("it's", "it's/topology.pdb", "cmd.load_traj(\"it's/a.xtc\", \"topology\")"),
            (
                "$HOME \"x\"",
                "$HOME \"x\"/topology.pdb",
                "cmd.load_traj(\"$HOME \\\"x\\\"/a.xtc\", \"topology\")",
            ),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let [pdb, xtc] = ["topology.pdb", "a.xtc"].map(|file| path.join(file));
            let look = Look { topology: pdb.clone(), trajectory: xtc.clone() };
            std::fs::write(&pdb, "").unwrap();
            assert!(commands(&look).is_empty());
            std::fs::write(&xtc, "").unwrap();
            // A shell gives back the words.
            for (command, words) in
                commands(&look).iter().zip([[topology, "a.xtc"], [topology, load]])
            {
                let echo = format!("for word in {command}; do echo \"$word\"; done");
                let output = std::process::Command::new("sh").arg("-c").arg(echo).output().unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                let prefix = format!("{}/", folder.path().display());
                let said = said.replace(&prefix, "");
                assert!(words.iter().all(|word| said.contains(word)), "{command}: {said}");
            }
        }
    }
}
