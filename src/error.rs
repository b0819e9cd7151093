//! The error type of the crate. Each message tells the user what to change.

use std::path::{Path, PathBuf};

/// The result type of every function in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error that a user can act on: it names the value, the found content and the expected one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A value is wrong.
    #[error("{}{field}: found {found}, expected {expected}", prefix(origin))]
    Invalid {
        /// The file (or other source) that holds the value; empty if the caller passed the value.
        origin: String,
        /// The name of the value.
        field: String,
        /// The value, or a description of it.
        found: String,
        /// A description of the valid values.
        expected: String,
    },
    /// The input is valid, but this version does not support it.
    #[error("{}{what} is not supported{}", prefix(origin), suffix(advice))]
    Unsupported {
        /// The file (or other source) that asks for it; empty if the caller asks for it.
        origin: String,
        /// The name of the unsupported feature.
        what: String,
        /// The action that the user can take instead; may be empty.
        advice: String,
    },
    /// The output file exists already.
    #[error("{}: already exists; choose another output or move it away", .0.display())]
    Exists(PathBuf),
    /// There is no usable device.
    #[error("no usable adapter: {found}; {advice}")]
    NoAdapter {
        /// The requested adapter and the adapters that exist.
        found: String,
        /// The software to install, or the option to change.
        advice: String,
    },
    /// The job needs more memory, or a larger buffer, than the device or the host has.
    #[error("out of memory: {what} needs {needed} bytes, {available} are available; {advice}")]
    OutOfMemory {
        /// The buffer or the job.
        what: String,
        /// The number of bytes that the job needs.
        needed: u64,
        /// The number of bytes that are available.
        available: u64,
        /// For example, the number of replicas that would fit.
        advice: String,
    },
    /// The GPU driver reported an error.
    #[error("GPU error in {during}: {message}")]
    Gpu {
        /// The operation that failed.
        during: String,
        /// The driver's message.
        message: String,
    },
    /// The GPU no longer responds.
    #[error(
        "the device was lost in {during}: {message}; run again from the last saved state, with fewer \
         replicas if the driver ended a job that took too long"
    )]
    DeviceLost {
        /// The operation that failed.
        during: String,
        /// The driver's message.
        message: String,
    },
    /// A number of a simulation became infinite, NaN or too large.
    #[error(
        "replica {replica} blew up between step {first_step} and step {last_step}: {what}; \
         try a smaller time step or relax the start"
    )]
    BlowUp {
        /// The replica, by its global number.
        replica: u32,
        /// The last step that is known to be good.
        first_step: u64,
        /// The step at which the invalid number was found.
        last_step: u64,
        /// A description of the invalid number.
        what: String,
    },
    /// Beads are in one place, where the energy is not defined.
    #[error("replica {replica}: {what}")]
    Overlap {
        /// The replica, counted from 0 among those that were given.
        replica: u32,
        /// The beads, and the reason.
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
        /// The number of neighbors.
        found: u32,
        /// The largest number of neighbors that the model allows.
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
    /// A wrong value.
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

    /// Valid input that this version does not support.
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

    /// A device that no longer responds.
    pub fn device_lost(during: impl Into<String>, message: impl ToString) -> Self {
        Error::DeviceLost { during: during.into(), message: message.to_string() }
    }

    /// Adds the file to the error, unless the error already names its origin.
    pub fn of_file(mut self, path: &Path) -> Self {
        if let Error::Invalid { origin, .. } | Error::Unsupported { origin, .. } = &mut self
            && origin.is_empty()
        {
            *origin = path.display().to_string();
        }
        self
    }
}

/// Text from a file is cut to this many characters in a message.
const MOST: usize = 600;

/// Makes text from a file safe to print: cuts long text, and escapes control characters, which
/// could change the state of a terminal.
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

/// Adds the file to the error of a result.
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
