//! Warnings and notes go to stderr, and are also kept for the log file of a run.

use std::sync::{Mutex, PoisonError};

use crate::error::printable;
use env_logger::Builder;
use log::{Level, Log, Metadata, Record};

use super::flags::with_flags;
use super::tell::tell;

static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The graphics stack returns its failures as errors; its log is for its own developers.
const USUAL: &str = "warn,wgpu_core=off,wgpu_hal=off,gpu_allocator=off,naga=off";

/// The filter of env_logger, which itself would panic on a closed stderr.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if !self.0.matches(record) {
            return;
        }
        let level = match record.level() {
            Level::Warn => "warning".to_owned(),
            level => level.to_string().to_lowercase(),
        };
        tell!("{level}: {}", printable(record.args()));
        if record.level() <= Level::Warn {
            keep(format!("warning: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// Starts logging; `RUST_LOG` overrides the default filter.
pub(super) fn install() {
    let mut builder = Builder::new();
    let asked = std::env::var("RUST_LOG").unwrap_or_else(|_| USUAL.to_owned());
    match env_filter::Builder::new().try_parse(&asked) {
        Ok(_) => builder.parse_filters(&asked),
        Err(error) => {
            tell!("warning: RUST_LOG: {error}");
            builder.filter_level(log::LevelFilter::Warn)
        }
    };
    let filter = builder.build();
    let level = filter.filter();
    if log::set_boxed_logger(Box::new(Logger(filter))).is_ok() {
        log::set_max_level(level);
    }
}

/// Tells a fact that belongs into the log file of a run too.
pub(super) fn note(line: String) {
    tell!("{line}");
    keep(line);
}

fn keep(line: String) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(with_flags(line));
}

/// The warnings and notes since the last call.
pub(super) fn take_lines() -> Vec<String> {
    std::mem::take(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}
