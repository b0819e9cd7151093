//! Writing of GROMACS' XTC format: positions in nm, rounded to 0.001 nm.

use std::path::Path;

use molly::XTCWriter;

use crate::error::{Error, Result};
use crate::io::file::GrowingFile;

/// Coordinates are rounded to multiples of 1/1000 nm. The format does not round frames with up to
/// nine beads.
const PRECISION: f32 = 1000.0;

/// The largest coordinate, nm, as in an engine. The format stores f32, which resolve 0.008 nm here.
/// Farther from 0 a trajectory would lose its bonds.
const LARGEST_NM: f64 = 104_857.6;

/// A trajectory file of one molecule, to which whole frames are appended.
///
/// The file is open only while a frame is appended, so that many replicas do not exceed the limit
/// of open files.
#[derive(Debug)]
pub struct XtcWriter {
    file: GrowingFile,
    frame: Vec<u8>,
}

impl XtcWriter {
    /// Creates an empty file.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file exists.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(XtcWriter { file: GrowingFile::create(path)?, frame: Vec::new() })
    }

    /// Continues a file of an earlier run after its first `length` bytes, and removes the rest.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file is shorter; [`Error::Io`].
    pub(crate) fn resume(path: &Path, length: u64) -> Result<Self> {
        Ok(XtcWriter { file: GrowingFile::resume(path, length)?, frame: Vec::new() })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Appends a frame; `time` in ps, `positions` in Å. After an error the file holds the frames
    /// before this one.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a coordinate is not finite or outside ±1,048,576 Å, or if another program
    /// changed the length of the file; [`Error::Io`].
    pub fn write(&mut self, step: u64, time: f64, positions: &[[f64; 3]]) -> Result<()> {
        self.encode(step, time, positions)?;
        let written = self.append();
        match written {
            Ok(()) => self.file.commit(),
            // The caller needs the first error.
            Err(_) => drop(self.file.undo()),
        }
        written
    }

    /// Encodes a frame without writing it.
    pub(crate) fn encode(&mut self, step: u64, time: f64, positions: &[[f64; 3]]) -> Result<()> {
        self.frame.clear();
        let mut coordinates = Vec::with_capacity(positions.len());
        for (bead, position) in positions.iter().enumerate() {
            let nm = position.map(|x| 0.1 * x);
            // NaN fails this comparison too. The encoder would store it as an arbitrary number.
            if !nm.iter().all(|x| x.abs() <= LARGEST_NM) {
                let (field, found) = (format!("positions[{bead}]"), format!("{position:?}"));
                return Err(Error::invalid(
                    field,
                    found,
                    "coordinates within ±1048576 Å, which the format resolves",
                )
                .of_file(self.path()));
            }
            coordinates.push(nm.map(|x| x as f32));
        }
        // Readers interpret the step as a signed 32-bit number.
        let step = u32::try_from(step).unwrap_or(u32::MAX).min(i32::MAX as u32);
        XTCWriter::new(&mut self.frame)
            .write_frame_parts(step, time as f32, [0.0; 9], coordinates.iter(), PRECISION)
            .map_err(|error| Error::io(self.path(), error))
    }

    /// Leaves the file without the next frame.
    pub(crate) fn encode_nothing(&mut self) {
        self.frame.clear();
    }

    /// Appends the encoded frame to the file, provisionally.
    pub(crate) fn append(&mut self) -> Result<()> {
        self.file.append(&self.frame)
    }

    /// The length of the file without provisional frames.
    pub(crate) fn committed(&self) -> u64 {
        self.file.committed()
    }

    /// Waits until the storage holds all frames.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync()
    }

    /// The file of the frames.
    pub(crate) fn file(&mut self) -> &mut GrowingFile {
        &mut self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Vec<molly::Frame> {
        molly::XTCReader::open(path).unwrap().read_all_frames().unwrap().into_vec()
    }

    /// Both encodings are tested: frames of nine beads or fewer are not compressed.
    #[test]
    fn frames_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for n_beads in [1, 9, 10, 57] {
            let path = folder.path().join(format!("{n_beads}.xtc"));
            let mut writer = XtcWriter::create(&path).unwrap();
            let of_frame = |f: usize| -> Vec<[f64; 3]> {
                let x =
                    |i: usize, c: usize| ((i * 7 + c * 3 + f) as f64 * 1.7).sin() * 30.0 - 250.0;
                (0..n_beads).map(|i| [x(i, 0), x(i, 1), x(i, 2)]).collect()
            };
            for f in 0..3 {
                writer.write(f as u64 * 10, f as f64 * 0.04, &of_frame(f)).unwrap();
            }
            let frames = read(&path);
            assert_eq!(frames.len(), 3);
            for (f, frame) in frames.iter().enumerate() {
                assert_eq!((frame.step, frame.natoms()), (f as u32 * 10, n_beads));
                for (found, expected) in frame.positions.iter().zip(of_frame(f).as_flattened()) {
                    assert!((f64::from(*found) * 10.0 - expected).abs() < 0.0051, "{found}");
                }
            }
            assert!(matches!(XtcWriter::create(&path), Err(Error::Exists(_))));
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.xtc");
        let mut writer = XtcWriter::create(&path).unwrap();
        for bad in [f64::NAN, f64::INFINITY, -1.1e6] {
            let error = writer.write(0, 0.0, &[[0.0; 3], [0.0, bad, 0.0]]).unwrap_err();
            assert!(error.to_string().contains("positions[1]"), "{error}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        let far = [[-1e6, 1e6, 0.0]; 12];
        writer.write(0, 0.0, &far).unwrap();
        assert_eq!(read(&path)[0].natoms(), 12);
    }
}
