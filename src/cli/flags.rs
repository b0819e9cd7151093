//! The options and commands behind the advice of the library, whose messages are also those of
//! programs that embed it.

/// A phrase in messages of the library, and what to type for it.
const FLAGS: [(&str, &str); 32] = [
    ("the CPU backend", "--backend cpu"),
    ("the wgpu backend", "--backend wgpu"),
    ("exact filters", "--filter exact"),
    ("f32 precision", "--precision f32"),
    ("a larger table tolerance", "--table-tolerance"),
    ("choose another device", "flashschnet info lists them"),
    ("trust the device all the same", "--trust-device"),
    ("the overdamped integrator", "--integrator overdamped"),
    ("a constant temperature", "--temperature"),
    ("leave out the velocities", "--velocities"),
    ("leave out the arrays", "--npy, --velocities, --forces"),
    ("a native model file", "--model"),
    ("a file of native structures", "--structures"),
    ("models, structures or priors", "--model, --structures, --priors"),
    ("which is a trajectory", "--trajectory"),
    ("a reference case for verification", "flashschnet verify"),
    ("the last state of a run", "run --resume takes its folder"),
    ("give this file as structures", "--structures"),
    ("give this file as a model or as priors", "--model, --priors"),
    ("a prior file", "--priors"),
    ("the priors of a network of TorchMD", "--priors"),
    ("choose the terms", "--forceterms"),
    ("a list of embeddings", "--embeddings"),
    ("prepare structures of it", "flashschnet prepare"),
    ("the mapping five_bead or ca", "--mapping"),
    ("some of its chains", "--chain"),
    ("one of the models", "--pdb-model N"),
    ("the map of names", "--map"),
    ("rebuild CB and O", "--rebuild cb,o"),
    ("split the chains at their breaks", "--breaks split"),
    ("allow missing priors", "--allow-missing-priors"),
    ("another seed", "--seed"),
];

/// Adds to a message the flag of each phrase, behind the first place of the phrase. A flag that the
/// message has already is not added.
pub(super) fn with_flags(message: impl ToString) -> String {
    let mut message = message.to_string();
    for (phrase, flag) in FLAGS {
        if let Some(start) = message.find(phrase)
            && !message.contains(flag)
        {
            message.insert_str(start + phrase.len(), &format!(" ({flag})"));
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_flag_follows_the_first_place_of_its_phrase() {
        let message = "A; use exact filters and f32 precision, because f32 precision alone";
        let flagged = "A; use exact filters (--filter exact) and f32 precision (--precision f32), \
                       because f32 precision alone";
        assert_eq!(with_flags(message), flagged);
        assert_eq!(with_flags(flagged), flagged);
        assert_eq!(
            with_flags("exact filters need --filter exact"),
            "exact filters need --filter exact"
        );
        assert_eq!(with_flags("use the GPU"), "use the GPU");
    }

    /// A phrase within another one would put two flags into one place.
    #[test]
    fn every_phrase_is_its_own() {
        for (k, (phrase, _)) in FLAGS.iter().enumerate() {
            let others = FLAGS.iter().enumerate().filter(|(other, _)| *other != k);
            let within: Vec<_> = others.filter(|(_, (other, _))| other.contains(phrase)).collect();
            assert!(within.is_empty(), "{phrase:?} is in {within:?}");
        }
    }

    #[test]
    fn the_library_says_every_phrase() {
        let text = library(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let unsaid: Vec<_> = FLAGS.iter().filter(|(phrase, _)| !text.contains(phrase)).collect();
        assert!(unsaid.is_empty(), "no message has {unsaid:?}");
    }

    /// The sources of the library without comments and unit tests. Literals of several lines are
    /// joined.
    fn library(folder: &Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("src/cli") {
                text += &library(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let is_comment = |line: &&str| line.trim_start().starts_with("//");
                for line in code.lines().filter(|line| !is_comment(line)) {
                    match line.strip_suffix('\\') {
                        Some(start) => text += start.trim_start(),
                        None => text += &format!("{}\n", line.trim_start()),
                    }
                }
            }
        }
        text
    }

    #[test]
    fn every_flag_can_be_typed() {
        let program = super::super::command_line::Cli::command();
        let has_option = |long: &str| {
            let mut options = program.get_subcommands().flat_map(clap::Command::get_arguments);
            options.any(|option| option.get_long() == Some(long))
        };
        for (_, flag) in FLAGS {
            let words: Vec<&str> = flag.split([' ', ',']).collect();
            let commands = words.windows(2).filter(|pair| pair[0] == "flashschnet");
            for pair in commands {
                assert!(program.find_subcommand(pair[1]).is_some(), "{flag}");
            }
            for option in words.iter().filter_map(|word| word.strip_prefix("--")) {
                assert!(has_option(option), "{flag}");
            }
            assert!(flag.contains("--") || flag.starts_with("flashschnet "), "{flag}");
        }
    }
}
