//! The first signal asks a run to stop; a later one ends the program at once.
//!
//! Terminals and batch systems often send a signal twice in a moment. That counts as one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Instant;

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

/// The signals with which people, terminals and batch systems ask a run to stop, and their names.
const SIGNALS: &[(i32, &str)] = &[
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    #[cfg(unix)]
    (SIGHUP, "SIGHUP"),
    #[cfg(unix)]
    (SIGUSR1, "SIGUSR1"),
    #[cfg(unix)]
    (SIGUSR2, "SIGUSR2"),
    #[cfg(unix)]
    (SIGXCPU, "SIGXCPU"),
];

/// A further signal within this time of the first is the same request.
const SAME_REQUEST_MS: u64 = 500;

/// The first signal, once it has come.
#[derive(Clone, Default)]
pub(super) struct Interrupt(Arc<First>);

#[derive(Default)]
struct First {
    /// 0 until a signal comes.
    signal: AtomicI32,
    /// ms since the handlers were installed.
    time: AtomicU64,
}

impl Interrupt {
    /// Installs the signal handlers.
    pub(super) fn install() -> std::io::Result<Self> {
        let interrupt = Interrupt::default();
        let start = Instant::now();
        for (signal, _) in SIGNALS.iter().filter(|(signal, _)| !stays_ignored(*signal)) {
            let first = interrupt.0.clone();
            let handle = move || {
                let now = start.elapsed().as_millis() as u64;
                let earlier =
                    first.signal.compare_exchange(0, *signal, Ordering::SeqCst, Ordering::SeqCst);
                if earlier.is_ok() {
                    first.time.store(now, Ordering::SeqCst);
                } else if !repeats(*signal)
                    && now > first.time.load(Ordering::SeqCst) + SAME_REQUEST_MS
                {
                    low_level::exit(128 + signal);
                }
            };
            // SAFETY: the handler uses atomics, the clock and `_exit`, which are allowed in a
            // signal handler. It does not allocate, lock or panic.
            unsafe { low_level::register(*signal, handle)? };
        }
        Ok(interrupt)
    }

    /// The exit code for the signal, as shells have it, and its name.
    pub(super) fn signal(&self) -> Option<(u8, &'static str)> {
        let came = self.0.signal.load(Ordering::SeqCst);
        let known = SIGNALS.iter().find(|(signal, _)| *signal == came);
        known.map(|(signal, name)| (128 + *signal as u8, *name))
    }
}

/// Whether `nohup` has started the program, which should then outlive its terminal.
#[cfg(unix)]
fn stays_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the call only fills `action`, for which all zeros are a valid value.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    signal == SIGHUP && action.sa_sigaction == libc::SIG_IGN
}

#[cfg(not(unix))]
fn stays_ignored(_: i32) -> bool {
    false
}

/// Whether the system sends the signal every second, which is no second request.
#[cfg(unix)]
fn repeats(signal: i32) -> bool {
    signal == SIGXCPU
}

#[cfg(not(unix))]
fn repeats(_: i32) -> bool {
    false
}

/// Makes a write beyond the limit of a file's size an error, and not the end of the program.
pub(super) fn ignore_file_size_limit() {
    #[cfg(unix)]
    {
        let flag = Arc::default();
        // Without the handler the limit ends the program, which is no reason not to start.
        let _ = signal_hook::flag::register(SIGXFSZ, flag);
    }
}
