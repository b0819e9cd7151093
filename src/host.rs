//! The memory of the host: what it has left, so that a job that does not fit is refused before it
//! takes memory. An allocation that fails would end the program.

use crate::error::{Error, Result};

/// Smaller jobs are not checked, bytes.
const SMALL: u64 = 1 << 26;

/// Refuses a job that needs more memory than the host has left. `what` names the job, `advice` says
/// what would fit.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn require(what: impl Into<String>, needed: u64, advice: &str) -> Result<()> {
    if needed <= SMALL {
        return Ok(());
    }
    match available() {
        Some(available) if needed > available => {
            Err(Error::out_of_memory(what, needed, available, advice))
        }
        _ => Ok(()),
    }
}

/// The bytes that this process can still take: the least of the machine's free memory, the limit of
/// its control group, and its own limit of address space. `None` on a system that does not tell.
pub(crate) fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let bytes = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let kilobytes = |text: String, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?.to_owned();
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
    };
    let free = kilobytes(read("/proc/meminfo")?, "MemAvailable:");
    let group = || {
        let limit = bytes("/sys/fs/cgroup/memory.max")?;
        Some(limit.saturating_sub(bytes("/sys/fs/cgroup/memory.current")?))
    };
    let address_space = || {
        let limits = read("/proc/self/limits")?;
        let line = limits.lines().find(|line| line.starts_with("Max address space"))?;
        let limit = line.split_whitespace().nth(3)?.parse::<u64>().ok()?;
        Some(limit.saturating_sub(kilobytes(read("/proc/self/status")?, "VmSize:")?))
    };
    [free, group(), address_space()].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_does_not_fit_is_refused_with_its_size() {
        require("a small job", SMALL, "").unwrap();
        if let Some(has) = available() {
            assert!(has > 0);
            let error = require("a large job", 1 << 60, "take less").unwrap_err().to_string();
            assert!(error.contains("a large job needs 1152921504606846976 bytes"), "{error}");
            assert!(error.contains("take less"), "{error}");
        }
    }
}
