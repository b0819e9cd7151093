//! The first signal asks a run to stop; a later one ends the program at once. After the run signals have
//! the effect that they had before it.
//!
//! Terminals and batch systems often send a signal twice in a moment. That counts as one request.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// The signals with which people, terminals and batch systems ask a run to stop, and their names.
#[cfg(unix)]
const SIGNALS: &[(i32, &str)] = {
    use libc::*;
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
static FIRST: First = First { signal: AtomicI32::new(0), time: AtomicU64::new(0) };

/// The runs of the process that wait for signals. All stop at the same signal.
static RUNS: Mutex<Runs> = Mutex::new(Runs { n: 0, before: None });

struct First {
    /// 0 until a signal comes.
    signal: AtomicI32,
    /// ms since the first run of the process.
    time: AtomicU64,
}

struct Runs {
    n: usize,
    /// The handlers before these runs.
    before: Option<handlers::Before>,
}

fn runs() -> MutexGuard<'static, Runs> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl First {
    /// Notes a signal. Returns whether it asks once more, so that the program should end at once. Only
    /// uses atomics and the clock, as a signal handler must.
    fn note(&self, signal: i32) -> bool {
        let now = now();
        let earlier = self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        if earlier.is_ok() {
            self.time.store(now, Ordering::SeqCst);
        }
        earlier.is_err() && now > self.time.load(Ordering::SeqCst) + SAME_REQUEST_MS
    }
}

/// ms since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// Signals ask to stop as long as it exists.
pub(super) struct Interrupt(());

impl Interrupt {
    /// Installs the signal handlers.
    pub(super) fn install() -> std::io::Result<Self> {
        let mut runs = runs();
        if runs.n == 0 {
            // A handler must not be the first to ask for the time.
            now();
            FIRST.signal.store(0, Ordering::SeqCst);
            runs.before = Some(handlers::install()?);
        }
        runs.n += 1;
        Ok(Interrupt(()))
    }

    /// The exit code for the signal, as shells have it, and its name.
    pub(super) fn signal(&self) -> Option<(u8, &'static str)> {
        let came = FIRST.signal.load(Ordering::SeqCst);
        let known = SIGNALS.iter().find(|(signal, _)| *signal == came);
        known.map(|(signal, name)| (128 + *signal as u8, *name))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let mut runs = runs();
        runs.n -= 1;
        if runs.n == 0
            && let Some(before) = runs.before.take()
        {
            handlers::restore(before);
        }
    }
}

#[cfg(unix)]
mod handlers {
    use std::io::{Error, Result};
    use std::mem::MaybeUninit;
    use std::ptr::null;

    use libc::{SIG_IGN, SIGHUP, SIGXCPU, sigaction};

    use super::{FIRST, SIGNALS};

    /// The actions of signals before a run.
    pub(super) type Before = Vec<(i32, sigaction)>;

    pub(super) fn install() -> Result<Before> {
        let mut before = Before::new();
        for (signal, _) in SIGNALS {
            match replace(*signal, &mut before) {
                Ok(()) => {}
                Err(error) => {
                    restore(before);
                    return Err(error);
                }
            }
        }
        Ok(before)
    }

    fn replace(signal: i32, before: &mut Before) -> Result<()> {
        let old = exchange(signal, None)?;
        // `nohup` has started the program, which should then outlive its terminal.
        if signal == SIGHUP && old.sa_sigaction == SIG_IGN {
            return Ok(());
        }
        // SAFETY: all zeros are a valid value: no flags, and an empty set of signals.
        let mut new: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        new.sa_flags = libc::SA_RESTART;
        new.sa_sigaction = handle as extern "C" fn(i32) as usize;
        before.push((signal, exchange(signal, Some(&new))?));
        Ok(())
    }

    pub(super) fn restore(before: Before) {
        for (signal, action) in before {
            // An action that the system has given cannot be refused.
            let _ = exchange(signal, Some(&action));
        }
    }

    /// The action of a signal, which becomes another one if it is given.
    pub(super) fn exchange(signal: i32, new: Option<&sigaction>) -> Result<sigaction> {
        let mut old = MaybeUninit::zeroed();
        let new = new.map_or(null(), |new| &raw const *new);
        // SAFETY: both pointers are null or valid for the call. The only handler that is not the
        // system's own is `handle`, which uses atomics, the clock and `_exit`, as a signal handler may.
        // It does not allocate, lock or panic.
        match unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) } {
            // SAFETY: the call has filled it, and all zeros would be a valid value.
            0 => Ok(unsafe { old.assume_init() }),
            _ => Err(Error::last_os_error()),
        }
    }

    extern "C" fn handle(signal: i32) {
        // The system sends SIGXCPU every second, which is no second request.
        if FIRST.note(signal) && signal != SIGXCPU {
            // SAFETY: the call ends the process, and nothing else.
            unsafe { libc::_exit(128 + signal) }
        }
    }

    /// Makes a write beyond the limit of a file's size an error, and not the end of the program.
    pub(in crate::cli) fn ignore_file_size_limit() {
        // SAFETY: the action has no handler. A failure is no reason not to start.
        unsafe { libc::signal(libc::SIGXFSZ, SIG_IGN) };
    }
}

/// Events of a console. Windows calls the handler in a thread of its own.
#[cfg(windows)]
mod handlers {
    use std::io::{Error, Result};
    use std::time::Duration;

    use windows_sys::Win32::Foundation::{FALSE, TRUE};
    use windows_sys::Win32::System::Console::{
        CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
        SetConsoleCtrlHandler,
    };
    use windows_sys::core::BOOL;

    use super::{FIRST, SIGNALS};

    /// Windows has a list of handlers, so there is nothing to remember.
    pub(super) type Before = ();

    pub(super) fn install() -> Result<Before> {
        // SAFETY: the handler has the signature that the call expects, and lives as long as the program.
        match unsafe { SetConsoleCtrlHandler(Some(handle), TRUE) } {
            FALSE => Err(Error::last_os_error()),
            _ => Ok(()),
        }
    }

    pub(super) fn restore((): Before) {
        // SAFETY: as above. The call fails only if the handler is not installed.
        unsafe { SetConsoleCtrlHandler(Some(handle), FALSE) };
    }

    unsafe extern "system" fn handle(event: u32) -> BOOL {
        let ends = matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT);
        let signal = match event {
            CTRL_C_EVENT => SIGNALS[0].0,
            CTRL_BREAK_EVENT => SIGNALS[1].0,
            _ if ends => SIGNALS[2].0,
            _ => return FALSE,
        };
        if FIRST.note(signal) {
            std::process::exit(128 + signal);
        }
        // The program ends when this thread returns. Until then the run can save its state.
        if ends {
            std::thread::sleep(Duration::from_secs(60));
        }
        TRUE
    }

    pub(in crate::cli) fn ignore_file_size_limit() {}
}

pub(super) use handlers::ignore_file_size_limit;

#[cfg(all(test, unix))]
mod tests {
    use libc::{SIG_IGN, SIGUSR2, SIGWINCH, raise};

    use super::Interrupt;
    use super::handlers::exchange;

    /// In one test, because signals belong to the process.
    #[test]
    fn after_a_run_signals_have_the_effect_that_they_had_before() {
        // SAFETY: the action has no handler, and a process may send itself signals.
        let send = |signal| unsafe { raise(signal) };
        // SAFETY: as above.
        unsafe { libc::signal(SIGUSR2, SIG_IGN) };
        for _ in 0..2 {
            let first = Interrupt::install().unwrap();
            assert_eq!(first.signal(), None);
            assert_ne!(exchange(SIGUSR2, None).unwrap().sa_sigaction, SIG_IGN);
            send(SIGWINCH);
            assert_eq!(first.signal(), None);
            let second = Interrupt::install().unwrap();
            drop(first);
            send(SIGUSR2);
            // The same request.
            send(SIGUSR2);
            assert_eq!(second.signal(), Some((128 + SIGUSR2 as u8, "SIGUSR2")));
            drop(second);
            assert_eq!(exchange(SIGUSR2, None).unwrap().sa_sigaction, SIG_IGN);
            send(SIGUSR2);
        }
    }
}
