//! The folder of the results. It appears under its name when it is complete.

use std::path::{Path, PathBuf};

use crate::error::printable;
use crate::{Error, Result};

/// A file that every folder of results has.
pub(super) const LOG: &str = "analysis.log";

/// A new folder of results, beside the place that it will take. It is removed if it is not complete.
pub(super) struct Place {
    /// Without links and `..`, so that it is the same place while folders are renamed.
    path: PathBuf,
    partial: PathBuf,
    /// The folders above it that did not exist, the innermost first.
    parents: Vec<PathBuf>,
}

impl Place {
    /// Creates an empty folder. Results of an earlier analysis may be at its place.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is something else; [`Error::Io`].
    pub(super) fn new(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let missing = path.ancestors().skip(1).take_while(|path| {
            !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false))
        });
        let parents = missing.map(Path::to_owned).collect();
        // From here on a failure removes the folders above it.
        let mut place = Place { path: PathBuf::new(), partial: PathBuf::new(), parents };
        place.path = match canonical(path) {
            Ok(path) => path,
            Err(_) => {
                let name = path.file_name().ok_or_else(|| no_name(path))?;
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                std::fs::create_dir_all(parent).map_err(io)?;
                canonical(parent).map_err(io)?.join(name)
            }
        };
        check(&place.path)?;
        let name = place.path.file_name().ok_or_else(|| no_name(path))?;
        let name = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        place.partial = place.path.with_file_name(name);
        std::fs::create_dir(&place.partial).map_err(|error| Error::io(&place.partial, error))?;
        Ok(place)
    }

    /// Where the files are written.
    pub(super) fn folder(&self) -> &Path {
        &self.partial
    }

    /// Puts the folder at its place. Results of an earlier analysis are removed.
    pub(super) fn complete(self) -> Result<()> {
        check(&self.path)?;
        let io = |error| Error::io(&self.path, error);
        let mut old = self.partial.clone().into_os_string();
        old.push(".old");
        let is_replaced = self.path.exists();
        if is_replaced {
            std::fs::rename(&self.path, &old).map_err(io)?;
        }
        let moved = std::fs::rename(&self.partial, &self.path);
        let Err(error) = moved else {
            if is_replaced && let Err(error) = std::fs::remove_dir_all(&old) {
                let old = printable(Path::new(&old).display());
                ::log::warn!("the earlier results are not removed: {old}: {error}");
            }
            return Ok(());
        };
        if is_replaced && std::fs::rename(&old, &self.path).is_err() {
            let old = Path::new(&old).display();
            let message = format!("{error}; the earlier results are {old}");
            return Err(io(std::io::Error::other(message)));
        }
        Err(io(error))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is there only if it is not complete. A failure is ignored: the caller has an earlier error.
        let _ = std::fs::remove_dir_all(&self.partial);
        // A folder that has the results, or other files, stays.
        self.parents.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

/// The path without links and `..`, and on Windows without the prefix `\\?\`, which users do not know.
fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let drive = path.to_str().and_then(|text| text.strip_prefix(r"\\?\")).map(PathBuf::from);
    Ok(drive.filter(|path| path.is_absolute()).unwrap_or(path))
}

fn no_name(path: &Path) -> Error {
    Error::invalid("output", path.display(), "the name of a folder")
}

/// Refuses a path that has other things than results of an analysis.
fn check(path: &Path) -> Result<()> {
    let is_free = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none() || path.join(LOG).is_file(),
        Err(_) => path.symlink_metadata().is_err(),
    };
    if is_free { Ok(()) } else { Err(Error::Exists(path.to_owned())) }
}
