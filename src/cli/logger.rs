//! Warnings go to stderr, and are also kept for the log file of a run.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use log::{Level, Log, Metadata, Record};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if record.level() <= Level::Warn && self.0.matches(record) {
            let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
            warnings.push(record.args().to_string());
        }
        self.0.log(record);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Starts logging; `RUST_LOG` overrides the default filter.
pub(super) fn install() {
    // The graphics stack returns its failures as errors; its log is for its own developers.
    let filter = "warn,wgpu_core=off,wgpu_hal=off,naga=off";
    let environment = env_logger::Env::default().default_filter_or(filter);
    let logger = env_logger::Builder::from_env(environment)
        .format(|out, record| {
            let level = match record.level() {
                Level::Warn => "warning".to_owned(),
                level => level.to_string().to_lowercase(),
            };
            writeln!(out, "{level}: {}", record.args())
        })
        .build();
    let filter = logger.filter();
    if log::set_boxed_logger(Box::new(Logger(logger))).is_ok() {
        log::set_max_level(filter);
    }
}

/// The warnings since the last call.
pub(super) fn take_warnings() -> Vec<String> {
    std::mem::take(&mut WARNINGS.lock().unwrap_or_else(PoisonError::into_inner))
}
