//! The two checkpoint files of a folder. At every moment at least one of them is whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, OfFile, Result};
use crate::io::sync_folder;

/// The name of the newest checkpoint in a folder.
pub const NEWEST: &str = "checkpoint.safetensors";

/// The name of the checkpoint before it.
pub const PREVIOUS: &str = "checkpoint_prev.safetensors";

const UNFINISHED: &str = "checkpoint.safetensors.part";

/// Writes a checkpoint. The newest one, if `is_whole` accepts it, becomes the previous one.
pub(super) fn save(
    folder: &Path,
    bytes: &[u8],
    is_whole: impl FnOnce(&[u8]) -> bool,
) -> Result<()> {
    let [newest, previous, unfinished] =
        [NEWEST, PREVIOUS, UNFINISHED].map(|name| folder.join(name));
    let write = || {
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| {
        // A failure to remove the unfinished file is ignored: the caller needs the first error.
        let _ = std::fs::remove_file(&unfinished);
        Error::io(&unfinished, error)
    })?;
    let rename = |from: &PathBuf, to| std::fs::rename(from, to).map_err(|e| Error::io(from, e));
    // A damaged file must not replace the previous checkpoint, which may be the only whole one.
    if std::fs::read(&newest).is_ok_and(|bytes| is_whole(&bytes)) {
        rename(&newest, &previous)?;
    }
    rename(&unfinished, &newest)?;
    sync_folder(folder)
}

/// Reads the newest checkpoint that `read` accepts. Returns also why a newer one was not taken.
pub(super) fn latest<T>(
    folder: &Path,
    mut read: impl FnMut(&[u8]) -> Result<T>,
) -> Result<(T, Option<Error>)> {
    let mut read = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        read(&bytes).of_file(&path)
    };
    let error = match read(NEWEST) {
        Ok(checkpoint) => return Ok((checkpoint, None)),
        // The previous one has the same version.
        Err(error @ Error::Unsupported { .. }) => return Err(error),
        Err(error) => error,
    };
    if !folder.join(NEWEST).exists() && !folder.join(PREVIOUS).exists() {
        let expected = format!("{NEWEST} of a run that has begun");
        return Err(Error::invalid("checkpoint", "none", expected).of_file(folder));
    }
    match read(PREVIOUS) {
        Ok(checkpoint) => Ok((checkpoint, Some(error))),
        Err(other) => {
            let found = format!("{error}, and {other}");
            Err(Error::invalid("checkpoints", found, "one that is whole").of_file(folder))
        }
    }
}
