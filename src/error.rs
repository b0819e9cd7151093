//! The error type of the crate. Each message tells the user what to change.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

pub use crate::text::printable;
use crate::text::{Escape, cut, is_control, one_line, short};

/// The result type of every function in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error that a user can act on: it names the value, the found content and the expected one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A value is wrong.
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
    Unsupported {
        /// The file (or other source) that asks for it; empty if the caller asks for it.
        origin: String,
        /// The name of the unsupported feature.
        what: String,
        /// The action that the user can take instead; may be empty.
        advice: String,
    },
    /// A system cannot be made from a structure file.
    Structure {
        /// The file; empty until it is known.
        origin: String,
        /// The kind of the problem in one word, for example `chain_break`.
        kind: &'static str,
        /// The problem.
        what: String,
        /// The places, the reason why it matters, and the remedies, each in a line of its own.
        lines: Vec<String>,
    },
    /// The output file exists already.
    Exists(PathBuf),
    /// There is no usable device.
    NoAdapter {
        /// The requested adapter and the adapters that exist.
        found: String,
        /// The software to install, or the option to change.
        advice: String,
    },
    /// The job needs more memory, or a larger buffer, than the device or the host has.
    OutOfMemory {
        /// The buffer or the job.
        what: String,
        /// The number of bytes that the job needs.
        needed: u64,
        /// The number of bytes that are available.
        available: u64,
        /// The number of replicas that would fit, if it is known.
        fits: Option<usize>,
        /// The advice to the user.
        advice: String,
    },
    /// The GPU driver reported an error.
    Gpu {
        /// The operation that failed.
        during: String,
        /// The driver's message.
        message: String,
    },
    /// The GPU no longer responds.
    DeviceLost {
        /// The operation that failed.
        during: String,
        /// The driver's message.
        message: String,
    },
    /// The GPU computes wrongly: it did not give the known answers of
    /// [`crate::backend::Backend::check`].
    WrongResults {
        /// The device and its driver.
        device: String,
        /// The first quantity that is wrong.
        found: String,
    },
    /// A replica exceeded a limit of [`crate::engine::Watch`].
    BlowUp {
        /// The replica, by its global number ([`Simulation::index_of`](crate::Simulation::index_of)).
        replica: u32,
        /// The step at which it did so.
        step: u64,
        /// The bead, the number that exceeded the limit, and the term with the largest force.
        what: String,
        /// The step of the replica's last good state, if there was one.
        last_good: Option<u64>,
        /// The advice to the user.
        advice: &'static str,
    },
    /// Beads are in one place, where the energy is not defined: two with a repulsion between them, or more
    /// than two.
    Overlap {
        /// The replica, counted from 0 among those that were given.
        replica: u32,
        /// The beads, and the reason.
        what: String,
    },
    /// A bead has more neighbors than the model allows.
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and paths of files can have characters that change the state of a terminal.
        self.message(&mut Escape(f))?;
        if let Error::Structure { lines, .. } = self {
            for line in lines {
                f.write_str("\n  ")?;
                Escape(f).write_str(line)?;
            }
        }
        Ok(())
    }
}

impl Error {
    fn message(&self, to: &mut impl Write) -> fmt::Result {
        let prefix = |origin: &str| match origin {
            "" => String::new(),
            origin => format!("{origin}: "),
        };
        match self {
            Error::Io { path, source } => write!(to, "{}: {source}", path.display()),
            Error::Invalid { origin, field, found, expected } => {
                write!(to, "{}{field}: found {found}, expected {expected}", prefix(origin))
            }
            Error::Unsupported { origin, what, advice } => {
                let separator = if advice.is_empty() { "" } else { "; " };
                write!(to, "{}{what} is not supported{separator}{advice}", prefix(origin))
            }
            Error::Structure { origin, kind, what, .. } => {
                write!(to, "{}{what} [{kind}]", prefix(origin))
            }
            Error::Exists(path) => {
                let path = path.display();
                write!(to, "{path}: already exists; choose another output or move it away")
            }
            Error::NoAdapter { found, advice } => {
                write!(to, "no usable adapter: {found}; {advice}")
            }
            Error::OutOfMemory { what, needed, available, advice, .. } => write!(
                to,
                "out of memory: {what} needs {needed} bytes, {available} are available; {advice}"
            ),
            Error::Gpu { during, message } => write!(to, "GPU error in {during}: {message}"),
            Error::DeviceLost { during, message } => write!(
                to,
                "the device was lost in {during}: {message}; run again from the last saved state, \
                 with fewer replicas if the driver ended a job that took too long"
            ),
            Error::WrongResults { device, found } => write!(
                to,
                "{device} computes wrongly: {found}; update its driver, choose another device, or use \
                 the CPU backend; or trust the device all the same"
            ),
            Error::BlowUp { replica, what, last_good: None, advice, .. } => {
                write!(to, "replica {replica}: {what}; {advice}")
            }
            Error::BlowUp { replica, step, what, last_good: Some(good), advice } => write!(
                to,
                "replica {replica} blew up at step {step}: {what}; its last good state is of step \
                 {good}; {advice}"
            ),
            Error::Overlap { replica, what } => write!(to, "replica {replica}: {what}"),
            Error::TooManyNeighbors { replica, bead, found, limit } => write!(
                to,
                "replica {replica}, bead {bead}: {found} neighbors within the cutoff, but the \
                 model's max_num_neighbors is {limit}; the network is not defined beyond it"
            ),
        }
    }
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
            field: cut(field.into()),
            found: cut(short(found.to_string())),
            expected: cut(expected.into()),
        }
    }

    /// The same with the name of a bias in front of the field.
    pub(crate) fn of_bias(self, name: &str) -> Self {
        match self {
            Error::Invalid { origin, field, found, expected } => {
                Error::Invalid { origin, field: format!("bias {name}: {field}"), found, expected }
            }
            other => other,
        }
    }

    /// Valid input that this version does not support.
    pub fn unsupported(what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (cut(what.into()), cut(advice.into()));
        Error::Unsupported { origin: String::new(), what, advice }
    }

    /// A problem of a structure file.
    pub(crate) fn structure(
        kind: &'static str,
        what: impl Into<String>,
        lines: impl IntoIterator<Item = String>,
    ) -> Self {
        let lines = lines.into_iter().map(cut).collect();
        Error::Structure { origin: String::new(), kind, what: cut(what.into()), lines }
    }

    /// A failed file operation.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), source }
    }

    /// A job that needs more memory than there is.
    pub(crate) fn out_of_memory(
        what: impl Into<String>,
        needed: u64,
        available: u64,
        advice: impl Into<String>,
    ) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Error::OutOfMemory { what, needed, available, fits: None, advice }
    }

    /// An error of memory that tells how many replicas would fit.
    pub(crate) fn fitting(mut self, replicas: u64) -> Self {
        if let Error::OutOfMemory { fits, .. } = &mut self {
            *fits = usize::try_from(replicas).ok();
        }
        self
    }

    /// A failed GPU operation.
    pub fn gpu(during: impl Into<String>, message: impl ToString) -> Self {
        Error::Gpu { during: during.into(), message: one_line(message) }
    }

    /// A device that no longer responds.
    pub fn device_lost(during: impl Into<String>, message: impl ToString) -> Self {
        Error::DeviceLost { during: during.into(), message: one_line(message) }
    }

    /// Adds the file to the error, unless the error already names its origin.
    pub fn of_file(mut self, path: &Path) -> Self {
        if let Error::Invalid { origin, .. }
        | Error::Unsupported { origin, .. }
        | Error::Structure { origin, .. } = &mut self
            && origin.is_empty()
        {
            *origin = path.display().to_string();
        }
        self
    }
}

/// The largest number of characters in the name of a prior or of a tuple list.
const LONGEST_NAME: usize = 200;

/// Checks the name of a prior or of a tuple list, which appears in tables, files and messages.
pub(crate) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.contains(is_control) {
        let expected = "a name without line ends and other control characters";
        return Err(Error::invalid(field, format!("{name:?}"), expected));
    }
    match name.chars().count() {
        n if n > LONGEST_NAME => {
            let expected = format!("at most {LONGEST_NAME}");
            Err(Error::invalid(field, format!("{n} characters"), expected))
        }
        _ => Ok(()),
    }
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
    fn no_text_of_an_error_controls_a_terminal() {
        const NAME: &str = "é\u{1b}[2J\u{9b}\n\u{202e}";
        let text = || NAME.repeat(200);
        let io = std::io::Error::other(NAME);
        let errors = [
            Error::unsupported(text(), text()),
            Error::structure("missing_atom", text(), []),
            Error::invalid(text(), text(), text()).of_file(Path::new(NAME)),
            Error::io(Path::new(NAME), io),
            Error::Exists(NAME.into()),
            Error::gpu(NAME, NAME),
            Error::device_lost(NAME, NAME),
            Error::NoAdapter { found: NAME.into(), advice: NAME.into() },
        ];
        for error in errors {
            let shown = error.to_string();
            assert!(!shown.contains(is_control) && shown.contains("é\\u{1b}[2J\\u{9b}"), "{shown}");
            assert!(shown.len() < 9000, "{shown}");
        }
        let plain = Error::invalid("a/b", "x\ty", "é").of_file(Path::new("some file")).to_string();
        assert_eq!(plain, "some file: a/b: found x\\ty, expected é");
        let long = Error::invalid("dt", -1e300, "a time step").to_string();
        assert_eq!(long, "dt: found -1e300, expected a time step");
        let lines = Error::structure("gap", "a\nb", ["c\td".to_owned(), "e".to_owned()]);
        assert_eq!(lines.to_string(), "a\\nb [gap]\n  c\\td\n  e");
        assert_eq!(printable("zip member a/b\r"), "zip member a/b\\r");
    }
}
