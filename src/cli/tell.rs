//! Messages on stderr.

/// Prints a line to stderr. Unlike `eprintln!` it does not panic if stderr is closed: a run must
/// outlive its terminal.
macro_rules! tell {
    ($($message:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($message)*);
    }};
}

pub(crate) use tell;
