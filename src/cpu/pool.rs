//! The pool of threads. A process that was forked has none of its threads, so it would wait for ever.

use crate::error::Result;

/// Refuses to compute in a process that was forked from one that has computed.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported).
#[cfg(unix)]
pub(super) fn check() -> Result<()> {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::error::Error;

    /// The process that started the pool; 0 before.
    static OWNER: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id();
    match OWNER.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != own => {
            let what = "the CPU backend in a process that was forked from one that used it";
            let advice = "fork before the first computation, or start a new program (spawn)";
            Err(Error::unsupported(what, advice))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
pub(super) fn check() -> Result<()> {
    Ok(())
}
