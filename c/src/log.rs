//! Warnings and notes of the library.

use std::ffi::{c_char, c_void};
use std::sync::{OnceLock, PoisonError, RwLock};

use flashschnet::Error;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::status::{Status, c_string, guard};

/// Levels of messages.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// No message.
    Off = 0,
    /// Errors that no function returns.
    Error = 1,
    /// Input that looks wrong, and devices that cannot be used.
    Warn = 2,
    /// Notes.
    Info = 3,
    /// Details for developers.
    Debug = 4,
}

/// Receives a message with its level, an fsn_log_level. It can be called on any thread, on several at a
/// time, and must not call functions of this library.
pub type LogCallback =
    Option<unsafe extern "C" fn(level: i32, message: *const c_char, user_data: *mut c_void)>;

#[derive(Debug, Clone, Copy)]
struct Sink {
    callback: unsafe extern "C" fn(i32, *const c_char, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the caller of fsn_set_log lets the callback have the pointer on any thread.
unsafe impl Send for Sink {}
// SAFETY: see above.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        // The graphics stack returns its failures as errors; its log is for its own developers.
        metadata.target().starts_with("flashschnet")
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // While the lock is held, fsn_set_log waits.
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Sink { callback, user_data }) = *sink {
            let level = match record.level() {
                Level::Error => LogLevel::Error,
                Level::Warn => LogLevel::Warn,
                Level::Info => LogLevel::Info,
                Level::Debug | Level::Trace => LogLevel::Debug,
            };
            let message = c_string(&record.args().to_string());
            // SAFETY: the caller of fsn_set_log follows the header.
            unsafe { callback(level as i32, message.as_ptr(), user_data) }
        }
    }

    fn flush(&self) {}
}

/// Sets the receiver of the messages of this library, for the whole process. max_level is the highest
/// fsn_log_level that it gets. NULL removes it; there is none at the start. When the call returns, an
/// earlier callback is not called any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_set_log(
    callback: LogCallback,
    user_data: *mut c_void,
    max_level: i32,
) -> Status {
    static IS_OURS: OnceLock<bool> = OnceLock::new();
    guard(|| {
        let filter = match (callback, max_level) {
            (None, _) => LevelFilter::Off,
            (_, n) if n == LogLevel::Off as i32 => LevelFilter::Off,
            (_, n) if n == LogLevel::Error as i32 => LevelFilter::Error,
            (_, n) if n == LogLevel::Warn as i32 => LevelFilter::Warn,
            (_, n) if n == LogLevel::Info as i32 => LevelFilter::Info,
            (_, n) if n == LogLevel::Debug as i32 => LevelFilter::Debug,
            (_, n) => {
                return Err(Error::invalid("max_level", n, "a number of fsn_log_level").into());
            }
        };
        if !IS_OURS.get_or_init(|| log::set_logger(&Logger).is_ok()) {
            let advice = "a Rust program in this process has a logger, which gets the messages";
            return Err(Error::unsupported("a callback for messages", advice).into());
        }
        let sink = callback.map(|callback| Sink { callback, user_data });
        *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
        log::set_max_level(filter);
        Ok(())
    })
}
