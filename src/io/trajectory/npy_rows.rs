//! An array that grows by rows: a `.npy` file of numbers of 8 bytes.

use std::path::Path;

use super::npy_header::{HEADER_BYTES, header};
use crate::error::{Error, Result};
use crate::io::file::GrowingFile;

/// The shape of the array, without its number of rows n. The rows follow each other in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Axes {
    /// (n, width).
    RowsFirst(usize),
    /// (width, n), in Fortran order.
    RowsLast(usize),
}

/// An array that grows by rows. The number of rows in its header is that of the last
/// [`NpyRows::sync`]: readers see fewer rows in between.
#[derive(Debug)]
pub(crate) struct NpyRows {
    file: GrowingFile,
    descr: &'static str,
    axes: Axes,
}

impl NpyRows {
    /// Creates an array without rows of `f64` (`<f8`) or `i64` (`<i8`).
    ///
    /// # Errors
    /// [`Error::Exists`] if the file exists; [`Error::Io`].
    pub(crate) fn create(path: &Path, descr: &'static str, axes: Axes) -> Result<Self> {
        let mut array = NpyRows { file: GrowingFile::create(path)?, descr, axes };
        let header = array.header();
        array.file.append(&header)?;
        array.file.commit();
        Ok(array)
    }

    /// Cuts an array of an earlier run to the given length in bytes, at which it then grows.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is shorter; [`Error::Io`].
    pub(crate) fn resume(
        path: &Path,
        descr: &'static str,
        axes: Axes,
        length: u64,
    ) -> Result<Self> {
        if length < HEADER_BYTES as u64 {
            let expected = format!("at least {HEADER_BYTES} bytes");
            return Err(Error::invalid("length", length, expected).of_file(path));
        }
        let mut array = NpyRows { file: GrowingFile::resume(path, length)?, descr, axes };
        let header = array.header();
        array.file.replace_start(&header)?;
        Ok(array)
    }

    /// Appends numbers of 8 bytes, whole rows, provisionally.
    pub(crate) fn append(&mut self, numbers: impl IntoIterator<Item = [u8; 8]>) -> Result<()> {
        self.file.append(&numbers.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Writes the number of rows, and waits until the storage holds them.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let header = self.header();
        self.file.replace_start(&header)?;
        self.file.sync()
    }

    /// The length in bytes without provisional rows.
    pub(crate) fn committed(&self) -> u64 {
        self.file.committed()
    }

    /// The file of the rows.
    pub(crate) fn file(&mut self) -> &mut GrowingFile {
        &mut self.file
    }

    fn header(&self) -> Vec<u8> {
        let (Axes::RowsFirst(width) | Axes::RowsLast(width)) = self.axes;
        let width = width as u64;
        let bytes = self.file.committed().saturating_sub(HEADER_BYTES as u64);
        let n = bytes / (8 * width).max(1);
        match self.axes {
            Axes::RowsFirst(_) => header(self.descr, false, &[n, width]),
            Axes::RowsLast(_) => header(self.descr, true, &[width, n]),
        }
    }
}

/// The bytes of an array of one axis of `i64`.
pub(crate) fn counts(values: &[u64]) -> Vec<u8> {
    let mut bytes = header("<i8", false, &[values.len() as u64]);
    bytes.extend(values.iter().flat_map(|value| (*value as i64).to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: npyz::Deserialize>(path: &Path) -> (Vec<u64>, npyz::Order, Vec<T>) {
        let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
        (file.shape().to_vec(), file.header().order(), file.into_vec().unwrap())
    }

    #[test]
    fn an_array_grows_by_rows_and_goes_on_after_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let row = |x: f64| [x, x + 0.5].map(f64::to_le_bytes);
        let mut array = NpyRows::create(&path, "<f8", Axes::RowsLast(2)).unwrap();
        array.append(row(1.0)).unwrap();
        array.file().commit();
        array.sync().unwrap();
        let length = array.committed();
        array.append(row(2.0)).unwrap();
        array.file().commit();
        array.append(row(3.0)).unwrap();
        array.file().undo().unwrap();
        array.sync().unwrap();
        let expected = (vec![2, 2], npyz::Order::Fortran, vec![1.0, 1.5, 2.0, 2.5]);
        assert_eq!(read(&path), expected);
        let mut array = NpyRows::resume(&path, "<f8", Axes::RowsLast(2), length).unwrap();
        assert_eq!(read(&path), (vec![2, 1], npyz::Order::Fortran, vec![1.0, 1.5]));
        array.append(row(2.0)).unwrap();
        array.file().commit();
        array.sync().unwrap();
        assert_eq!(read(&path), expected);
        assert!(NpyRows::resume(&path, "<f8", Axes::RowsLast(2), 5).is_err());

        std::fs::write(&path, counts(&[3, 1 << 40])).unwrap();
        assert_eq!(read(&path), (vec![2], npyz::Order::C, vec![3_i64, 1 << 40]));
    }
}
