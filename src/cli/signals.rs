//! The first signal asks a run to stop; a later one ends the program at once.
//!
//! Terminals and batch systems often send a signal twice in a moment. That counts as one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Instant;

/// The signals with which people, terminals and batch systems ask a run to stop, and their names.
#[cfg(unix)]
const SIGNALS: &[(i32, &str)] = {
    use signal_hook::consts::*;
    &[
        (SIGINT, "SIGINT"),
        (SIGTERM, "SIGTERM"),
        (SIGHUP, "SIGHUP"),
        (SIGUSR1, "SIGUSR1"),
        (SIGUSR2, "SIGUSR2"),
        (SIGXCPU, "SIGXCPU"),
    ]
};

/// The events of a console that ask a run to stop, as the signals of C, and their names. Programs cannot
/// refuse the last one: the system ends them some seconds later.
#[cfg(windows)]
const SIGNALS: &[(i32, &str)] =
    &[(2, "Ctrl-C"), (21, "Ctrl-Break"), (15, "the end of the console or of the session")];

/// A further signal within this time of the first is the same request.
const SAME_REQUEST_MS: u64 = 500;

/// The first signal, once it has come.
#[derive(Clone, Default)]
pub(super) struct Interrupt(Arc<First>);

struct First {
    /// 0 until a signal comes.
    signal: AtomicI32,
    /// ms after `start`.
    time: AtomicU64,
    start: Instant,
}

impl Default for First {
    fn default() -> Self {
        First { signal: AtomicI32::new(0), time: AtomicU64::new(0), start: Instant::now() }
    }
}

impl First {
    /// Notes a signal. Returns whether it asks once more, so that the program should end at once. Only
    /// uses atomics and the clock, as a signal handler must.
    fn note(&self, signal: i32) -> bool {
        let now = self.start.elapsed().as_millis() as u64;
        let earlier = self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        if earlier.is_ok() {
            self.time.store(now, Ordering::SeqCst);
        }
        earlier.is_err() && now > self.time.load(Ordering::SeqCst) + SAME_REQUEST_MS
    }
}

impl Interrupt {
    /// Installs the signal handlers.
    #[cfg(unix)]
    pub(super) fn install() -> std::io::Result<Self> {
        use signal_hook::consts::SIGXCPU;
        use signal_hook::low_level;

        let interrupt = Interrupt::default();
        for (signal, _) in SIGNALS.iter().filter(|(signal, _)| !stays_ignored(*signal)) {
            let first = interrupt.0.clone();
            let handle = move || {
                // The system sends SIGXCPU every second, which is no second request.
                if first.note(*signal) && *signal != SIGXCPU {
                    low_level::exit(128 + signal);
                }
            };
            // SAFETY: the handler uses atomics, the clock and `_exit`, which are allowed in a
            // signal handler. It does not allocate, lock or panic.
            unsafe { low_level::register(*signal, handle)? };
        }
        Ok(interrupt)
    }

    /// Installs the handler of the console's events.
    #[cfg(windows)]
    pub(super) fn install() -> std::io::Result<Self> {
        let interrupt = Interrupt(console::FIRST.get_or_init(Arc::default).clone());
        console::install()?;
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
    signal == libc::SIGHUP && action.sa_sigaction == libc::SIG_IGN
}

/// Events of a console. Windows calls the handler in a thread of its own.
#[cfg(windows)]
mod console {
    use std::sync::OnceLock;
    use std::time::Duration;

    use windows_sys::Win32::Foundation::{FALSE, TRUE};
    use windows_sys::Win32::System::Console::{
        CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
        SetConsoleCtrlHandler,
    };
    use windows_sys::core::BOOL;

    use super::*;

    pub(super) static FIRST: OnceLock<Arc<First>> = OnceLock::new();

    pub(super) fn install() -> std::io::Result<()> {
        // SAFETY: the handler has the signature that the call expects, and lives as long as the program.
        match unsafe { SetConsoleCtrlHandler(Some(handle), TRUE) } {
            FALSE => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    unsafe extern "system" fn handle(event: u32) -> BOOL {
        let ends = matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT);
        let signal = match event {
            CTRL_C_EVENT => SIGNALS[0].0,
            CTRL_BREAK_EVENT => SIGNALS[1].0,
            _ if ends => SIGNALS[2].0,
            _ => return FALSE,
        };
        if FIRST.get().is_some_and(|first| first.note(signal)) {
            std::process::exit(128 + signal);
        }
        // The program ends when this thread returns. Until then the run can save its state.
        if ends {
            std::thread::sleep(Duration::from_secs(60));
        }
        TRUE
    }
}

/// Makes a write beyond the limit of a file's size an error, and not the end of the program.
pub(super) fn ignore_file_size_limit() {
    #[cfg(unix)]
    {
        let flag = Arc::default();
        // Without the handler the limit ends the program, which is no reason not to start.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, flag);
    }
}
