//! Writing of trajectories: GROMACS' XTC, with positions rounded to 0.01 Å, and CHARMM's DCD, with
//! positions in f32.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use molly::XTCWriter;

use super::dcd_header::{DCD_HEADER, DcdHeader, encode_dcd};
use crate::error::{Error, Result};
use crate::io::file::GrowingFile;

/// XTC rounds coordinates to multiples of 1/1000 nm, except in frames of up to nine beads.
const PRECISION: f32 = 1000.0;

/// The largest coordinate, Å, as in an engine. Both formats store f32, which resolve 0.08 Å here.
/// Farther from 0 a trajectory would lose its bonds.
const LARGEST: f64 = 1_048_576.0;

/// The format of a trajectory file.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum FrameFormat {
    /// GROMACS' XTC.
    Xtc,
    /// DCD in the flavor of CHARMM.
    Dcd {
        /// The number of beads in every frame.
        n_beads: usize,
        /// The time step, ps.
        dt: f64,
    },
}

/// A trajectory file of one molecule, to which whole frames are appended.
///
/// The file is open only while a frame is appended, so that many replicas do not exceed the limit
/// of open files. The header of a DCD file has the number of frames at the last
/// [`TrajectoryWriter::sync`]; its steps are those of the frames from the second frame on.
#[derive(Debug)]
pub struct TrajectoryWriter {
    file: GrowingFile,
    frame: Vec<u8>,
    /// The header of a DCD file, and its bytes in the file.
    dcd: Option<DcdHeader>,
    header: Vec<u8>,
}

impl TrajectoryWriter {
    /// Creates a file without frames.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file exists; [`Error::Io`].
    pub fn create(path: &Path, format: FrameFormat) -> Result<Self> {
        let mut writer = TrajectoryWriter::at(GrowingFile::create(path)?, format);
        if let Some(dcd) = &writer.dcd {
            writer.header = dcd.bytes(0);
            writer.file.append(&writer.header)?;
            writer.file.commit();
        }
        Ok(writer)
    }

    fn at(file: GrowingFile, format: FrameFormat) -> Self {
        let dcd = match format {
            FrameFormat::Xtc => None,
            FrameFormat::Dcd { n_beads, dt } => Some(DcdHeader::new(n_beads, dt)),
        };
        TrajectoryWriter { file, frame: Vec::new(), dcd, header: Vec::new() }
    }

    /// Checks that a file of an earlier run has whole frames up to `length`, and the header of one of
    /// its format.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::Io`].
    pub(crate) fn check(path: &Path, format: FrameFormat, length: u64) -> Result<()> {
        GrowingFile::check(path, length)?;
        let FrameFormat::Dcd { n_beads, dt } = format else { return Ok(()) };
        let header = DcdHeader::new(n_beads, dt);
        let frames = length.checked_sub(DCD_HEADER);
        if frames.is_none_or(|frames| !frames.is_multiple_of(header.frame_bytes())) {
            let expected = format!("a header and whole frames of {n_beads} beads");
            return Err(Error::invalid("length", length, expected).of_file(path));
        }
        if !header.is_of(&read_header(path)?) {
            let expected = format!("that of {n_beads} beads and a time step of {dt} ps");
            return Err(Error::invalid("header", "another one", expected).of_file(path));
        }
        Ok(())
    }

    /// Continues a file of an earlier run after its first `length` bytes, and removes the rest.
    ///
    /// # Errors
    /// See [`TrajectoryWriter::check`].
    pub(crate) fn resume(path: &Path, format: FrameFormat, length: u64) -> Result<Self> {
        Self::check(path, format, length)?;
        let mut writer = TrajectoryWriter::at(GrowingFile::resume(path, length)?, format);
        let n_frames = writer.n_frames();
        if let Some(dcd) = &mut writer.dcd {
            dcd.resume(n_frames, &read_header(path)?);
            writer.write_header()?;
        }
        Ok(writer)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Appends a frame; `time` in ps, `positions` in Å. After an error the file holds the frames
    /// before this one.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a coordinate is not finite or outside ±1,048,576 Å, if a DCD file has
    /// another number of beads, or if another program changed the length of the file;
    /// [`Error::Io`].
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
        // NaN fails this comparison too. The encoder of XTC would store it as an arbitrary number.
        let is_good = |position: &[f64; 3]| position.iter().all(|x| x.abs() <= LARGEST);
        if let Some(bead) = positions.iter().position(|position| !is_good(position)) {
            let (field, found) = (format!("positions[{bead}]"), format!("{:?}", positions[bead]));
            let expected = "coordinates within ±1048576 Å, which the format resolves";
            return Err(Error::invalid(field, found, expected).of_file(self.path()));
        }
        let n_before = self.n_frames();
        match &mut self.dcd {
            Some(dcd) if positions.len() != dcd.n_beads => {
                let expected = format!("{} beads, as in the header", dcd.n_beads);
                let error = Error::invalid("positions", positions.len(), expected);
                Err(error.of_file(self.path()))
            }
            Some(dcd) => {
                dcd.see(n_before, step);
                encode_dcd(&mut self.frame, positions);
                Ok(())
            }
            None => {
                let nm: Vec<_> = positions.iter().map(|x| x.map(|x| (0.1 * x) as f32)).collect();
                // Readers interpret the step as a signed 32-bit number.
                let step = u32::try_from(step).unwrap_or(u32::MAX).min(i32::MAX as u32);
                XTCWriter::new(&mut self.frame)
                    .write_frame_parts(step, time as f32, [0.0; 9], nm.iter(), PRECISION)
                    .map_err(|error| Error::io(self.path(), error))
            }
        }
    }

    /// The number of frames of a DCD file without provisional frames.
    fn n_frames(&self) -> u64 {
        let of_frames = self.file.committed().saturating_sub(DCD_HEADER);
        self.dcd.map_or(0, |dcd| of_frames / dcd.frame_bytes())
    }

    /// Leaves the file without the next frame.
    pub(crate) fn encode_nothing(&mut self) {
        self.frame.clear();
    }

    /// Appends the encoded frame to the file, provisionally.
    pub(crate) fn append(&mut self) -> Result<()> {
        // The steps in the header are those of the first two frames.
        if self.n_frames() < 2 {
            self.write_header()?;
        }
        self.file.append(&self.frame)
    }

    /// The length of the file without provisional frames.
    pub(crate) fn committed(&self) -> u64 {
        self.file.committed()
    }

    /// Writes the number of frames to the header, if there is one, and waits until the storage
    /// holds all frames.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another program changed the length of the file; [`Error::Io`].
    pub fn sync(&mut self) -> Result<()> {
        self.write_header()?;
        self.file.sync()
    }

    fn write_header(&mut self) -> Result<()> {
        let Some(dcd) = self.dcd else { return Ok(()) };
        let header = dcd.bytes(self.n_frames());
        if header != self.header {
            self.file.replace_start(&header)?;
            self.header = header;
        }
        Ok(())
    }

    /// The file of the frames.
    pub(crate) fn file(&mut self) -> &mut GrowingFile {
        &mut self.file
    }
}

fn read_header(path: &Path) -> Result<[u8; DCD_HEADER as usize]> {
    let mut header = [0; DCD_HEADER as usize];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.map_err(|error| Error::io(path, error))?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::DcdReader;

    fn read(path: &Path) -> Vec<molly::Frame> {
        molly::XTCReader::open(path).unwrap().read_all_frames().unwrap().into_vec()
    }

    /// Both encodings are tested: frames of nine beads or fewer are not compressed.
    #[test]
    fn frames_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for n_beads in [1, 9, 10, 57] {
            let path = folder.path().join(format!("{n_beads}.xtc"));
            let mut writer = TrajectoryWriter::create(&path, FrameFormat::Xtc).unwrap();
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
            assert!(matches!(
                TrajectoryWriter::create(&path, FrameFormat::Xtc),
                Err(Error::Exists(_))
            ));
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.xtc");
        let mut writer = TrajectoryWriter::create(&path, FrameFormat::Xtc).unwrap();
        for bad in [f64::NAN, f64::INFINITY, -1.1e6] {
            let error = writer.write(0, 0.0, &[[0.0; 3], [0.0, bad, 0.0]]).unwrap_err();
            assert!(error.to_string().contains("positions[1]"), "{error}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        let far = [[-1e6, 1e6, 0.0]; 12];
        writer.write(0, 0.0, &far).unwrap();
        assert_eq!(read(&path)[0].natoms(), 12);
    }

    fn read_dcd(path: &Path) -> Vec<Vec<[f32; 3]>> {
        let mut reader = DcdReader::open(path).unwrap();
        std::iter::from_fn(|| reader.read().unwrap().map(<[_]>::to_vec)).collect()
    }

    /// The number of frames, the first step and the steps between frames in the header of a file.
    fn header(path: &Path) -> [u32; 3] {
        let bytes = std::fs::read(path).unwrap();
        [8, 12, 16].map(|at| u32::from_le_bytes(std::array::from_fn(|k| bytes[at + k])))
    }

    /// Wherever a run was cut, its file continues to that of a run that was not.
    #[test]
    fn dcd_frames_read_back_and_go_on_after_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let format = FrameFormat::Dcd { n_beads: 4, dt: 0.004 };
        let frame = |f: u64| vec![[1.5 * f as f64, -250.0, 1e6]; 4];
        let add = |writer: &mut TrajectoryWriter, frames: std::ops::Range<u64>| {
            for f in frames {
                writer.write(300 + 50 * f, 0.0, &frame(f)).unwrap();
            }
            writer.sync().unwrap();
        };
        let mut writer = TrajectoryWriter::create(&path("whole"), format).unwrap();
        add(&mut writer, 0..0);
        assert_eq!((read_dcd(&path("whole")).len(), header(&path("whole"))), (0, [0, 0, 1]));
        add(&mut writer, 0..1);
        assert_eq!(header(&path("whole")), [1, 300, 300]);
        add(&mut writer, 1..5);
        assert_eq!(header(&path("whole")), [5, 300, 50]);
        for (f, found) in read_dcd(&path("whole")).iter().enumerate() {
            let expected: Vec<[f32; 3]> =
                frame(f as u64).iter().map(|x| x.map(|x| x as f32)).collect();
            assert_eq!(*found, expected);
        }
        let whole = std::fs::read(path("whole")).unwrap();
        for n in 0..5 {
            let mut writer = TrajectoryWriter::create(&path(&format!("{n}")), format).unwrap();
            add(&mut writer, 0..n);
            let length = writer.committed();
            add(&mut writer, n..4);
            let mut writer =
                TrajectoryWriter::resume(&path(&format!("{n}")), format, length).unwrap();
            assert_eq!(header(&path(&format!("{n}")))[0], n as u32);
            add(&mut writer, n..5);
            assert!(std::fs::read(path(&format!("{n}"))).unwrap() == whole, "{n}");
        }
        // A reader of a run that goes on, or was killed, needs the steps.
        let mut writer = TrajectoryWriter::create(&path("going"), format).unwrap();
        (0..2).for_each(|f| writer.write(300 + 50 * f, 0.0, &frame(f)).unwrap());
        assert_eq!(header(&path("going"))[1..], [300, 50]);
        let other = FrameFormat::Dcd { n_beads: 4, dt: 0.002 };
        let length = writer.committed();
        for (format, length) in [(other, length), (format, length - 1), (format, 275)] {
            assert!(TrajectoryWriter::resume(&path("going"), format, length).is_err());
        }
        assert_eq!(read_dcd(&path("going")).len(), 2);
        let error = writer.write(9, 0.0, &[[0.0; 3]; 5]).unwrap_err().to_string();
        assert!(error.contains("found 5, expected 4 beads"), "{error}");
        assert!(TrajectoryWriter::resume(&path("whole"), format, 5).is_err());
    }
}
