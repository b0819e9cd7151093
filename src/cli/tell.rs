//! Text on stderr and stdout. Nothing else in the program writes to them.
//!
//! Messages on stderr are lost if nobody can receive them: a run must outlive its terminal, and must
//! not wait for it. Text on stdout is the result of a command, so a failure is an error.

use std::io::{Error, ErrorKind, Result, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::printable;

use super::flags::with_flags;

/// Prints a line to stderr, with the flags of its advice. Unlike `eprintln!` it does not panic if
/// stderr is closed or full, and does not wait for a reader that has stopped to read.
macro_rules! tell {
    ($($message:tt)*) => {
        $crate::cli::tell::line(format_args!($($message)*))
    };
}

pub(crate) use tell;

#[expect(clippy::disallowed_methods, reason = "the failure is ignored here")]
pub(crate) fn line(message: std::fmt::Arguments) {
    // A reader that does not read, for example a pager, gets a second for all lines together.
    static STUCK: AtomicBool = AtomicBool::new(false);
    let wait = if STUCK.load(Ordering::Relaxed) { 0 } else { 1000 };
    let has_room = stderr_has_room(wait);
    STUCK.store(!has_room, Ordering::Relaxed);
    if has_room {
        let _ = writeln!(std::io::stderr(), "{}", with_flags(message));
    }
}

/// For example `a, b and c`.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [first @ .., before, last] if !first.is_empty() => {
            format!("{}, {before} and {last}", first.join(", "))
        }
        names => names.join(" and "),
    }
}

/// Whether a line can be written to stderr without waiting for its reader. Waits for up to `wait`
/// milliseconds.
pub(crate) fn stderr_has_room(wait: i32) -> bool {
    #[cfg(unix)]
    {
        let mut stderr =
            libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointer is valid for the one element that the call is told of. If the call
        // fails, the write is tried.
        unsafe { libc::poll(&raw mut stderr, 1, wait) != 0 }
    }
    #[cfg(not(unix))]
    {
        let _ = wait;
        true
    }
}

/// Whether stdout was closed when the program started.
///
/// The runtime of Rust opens `/dev/null` in place of a closed stream before it calls `main`, so that
/// a result would be lost without an error. The loader calls the functions of this section earlier.
#[cfg(unix)]
mod closed {
    use std::sync::atomic::{AtomicBool, Ordering};

    static STDOUT: AtomicBool = AtomicBool::new(false);

    extern "C" fn look() {
        // SAFETY: the call only reads the flags of a descriptor, or fails.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        STDOUT.store(flags == -1, Ordering::Relaxed);
    }

    #[used]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    static AT_START: extern "C" fn() = look;

    pub(super) fn check() -> std::io::Result<()> {
        match STDOUT.load(Ordering::Relaxed) {
            true => Err(std::io::Error::other("closed since the start of the program")),
            false => Ok(()),
        }
    }
}

/// Fails if stdout was closed when the program started.
fn check_open() -> Result<()> {
    #[cfg(unix)]
    closed::check()?;
    Ok(())
}

/// Stdout. Its errors name it.
pub(crate) struct Stdout {
    /// Whether a command goes on without its text after the reader has closed the pipe.
    outlives_reader: bool,
}

/// The result of a command that has no other result. The command ends when the reader, for example
/// `head`, closes the pipe.
pub(crate) fn stdout() -> Stdout {
    Stdout { outlives_reader: false }
}

/// The text of a command whose exit code is a result too. The command goes on without text after
/// the reader has closed the pipe.
pub(crate) fn stdout_beside_result() -> Stdout {
    Stdout { outlives_reader: true }
}

/// Prints the text of a command that has written files. The files are complete before the text, so
/// that a failure of stdout cannot lose them, and the error tells that they are written.
pub(crate) fn print_beside(
    files: &[&Path],
    print: impl FnOnce(&mut Stdout) -> Result<()>,
) -> Result<()> {
    print(&mut stdout_beside_result()).map_err(|error| {
        let files: Vec<String> = files
            .iter()
            .map(|file| format!("; {} is written", printable(file.display())))
            .collect();
        Error::new(error.kind(), format!("{error}{}", files.concat()))
    })
}

/// Prints the help or the version with `print`.
pub(crate) fn help(print: impl FnOnce() -> Result<()>) -> Result<()> {
    of_stdout(check_open().and_then(|()| print()))
}

/// Names stdout in the error of a write to it.
fn of_stdout<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::new(error.kind(), format!("stdout: {error}")))
}

impl Stdout {
    fn outcome<T>(&self, result: Result<T>, lost: T) -> Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.outlives_reader => Ok(lost),
            result => of_stdout(result),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the callers get the errors")]
impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = check_open().and_then(|()| std::io::stdout().write(bytes));
        self.outcome(written, bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.outcome(std::io::stdout().flush(), ())
    }
}
