//! What can go wrong, said once and plainly.

use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error a user can act on: it names the thing, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A value is not what it must be.
    #[error("{}{field}: found {found}, expected {expected}", prefix(origin))]
    Invalid {
        /// The file (or other source) that holds the value; empty when it came from the caller.
        origin: String,
        /// The name of the value.
        field: String,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// A legal thing that this version does not do.
    #[error("{}{what} is not supported{}", prefix(origin), suffix(advice))]
    Unsupported {
        /// The file (or other source) that asks for it; empty when the caller did.
        origin: String,
        /// The thing, by name.
        what: String,
        /// What to do instead; may be empty.
        advice: String,
    },
    /// An earlier result is in the way.
    #[error("{}: already exists; choose another output or move it away", .0.display())]
    Exists(PathBuf),
    /// No device to run on.
    #[error("no usable adapter: {found}; {advice}")]
    NoAdapter {
        /// What was looked for and what was there.
        found: String,
        /// What to install or to ask for.
        advice: String,
    },
    /// The device has too little memory, or too small buffers, for the job.
    #[error("out of memory: {what} needs {needed} bytes, the device allows {available}; {advice}")]
    OutOfMemory {
        /// The buffer or job.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes the device allows.
        available: u64,
        /// For example, how many replicas would fit.
        advice: String,
    },
    /// The GPU driver refused or broke.
    #[error("GPU error in {during}: {message}")]
    Gpu {
        /// What was being done.
        during: String,
        /// What the driver said.
        message: String,
    },
    /// A simulation that left the range of numbers.
    #[error(
        "replica {replica} blew up between step {first_step} and step {last_step}: {what}; \
         try a smaller time step or relax the start"
    )]
    BlowUp {
        /// The replica, by its global number.
        replica: u32,
        /// The last step known to be good.
        first_step: u64,
        /// The step at which the damage was seen.
        last_step: u64,
        /// What was seen.
        what: String,
    },
    /// A bead has more neighbors than the model allows.
    #[error(
        "replica {replica}, bead {bead}: {found} neighbors within the cutoff, but the model's \
         max_num_neighbors is {limit}; the network is not defined beyond it"
    )]
    TooManyNeighbors {
        /// The replica, by its global number.
        replica: u32,
        /// The bead within the replica.
        bead: u32,
        /// Neighbors found.
        found: u32,
        /// Neighbors allowed.
        limit: u32,
    },
}

fn prefix(origin: &str) -> String {
    if origin.is_empty() { String::new() } else { format!("{origin}: ") }
}

fn suffix(advice: &str) -> String {
    if advice.is_empty() { String::new() } else { format!("; {advice}") }
}

impl Error {
    /// A value that is not what it must be.
    pub fn invalid(
        field: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Invalid {
            origin: String::new(),
            field: tame(field.into()),
            found: tame(found.to_string()),
            expected: expected.into(),
        }
    }

    /// A legal thing that this version does not do.
    pub fn unsupported(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Error::Unsupported { origin: String::new(), what: tame(what.into()), advice: advice.into() }
    }

    /// A failed file operation.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), source }
    }

    /// A failed GPU operation.
    pub fn gpu(during: impl Into<String>, message: impl ToString) -> Self {
        Error::Gpu { during: during.into(), message: message.to_string() }
    }

    /// The same error, said of a file: names the file if nothing was named yet.
    pub fn of_file(mut self, path: &Path) -> Self {
        if let Error::Invalid { origin, .. } | Error::Unsupported { origin, .. } = &mut self
            && origin.is_empty()
        {
            *origin = path.display().to_string();
        }
        self
    }
}

/// More characters of what a file says than this tell no one more.
const MOST: usize = 600;

/// Text as it may be shown: what comes from a file may be long, and may speak to a terminal.
fn tame(text: String) -> String {
    if text.chars().count() <= MOST && !text.contains(char::is_control) {
        return text;
    }
    let escaped = text.chars().take(MOST).map(|c| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    });
    let end = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    escaped.collect::<String>() + end
}

/// Names the file in the error of a result.
pub trait OfFile {
    /// See [`Error::of_file`].
    fn of_file(self, path: &Path) -> Self;
}

impl<T> OfFile for Result<T> {
    fn of_file(self, path: &Path) -> Self {
        self.map_err(|error| error.of_file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_cut_and_cannot_speak_to_a_terminal() {
        let long = Error::unsupported("é\u{1b}[2J".repeat(200), "").to_string();
        assert!(long.len() < 4000, "{long}");
        assert!(
            !long.contains(char::is_control) && long.contains("é\\u{1b}[2J") && long.contains('…')
        );
        assert_eq!(tame("zip member a/b".into()), "zip member a/b");
    }
}
