//! Reading of the DCD format of CHARMM, NAMD, OpenMM and X-PLOR. A file consists of Fortran records
//! in either byte order, each between two copies of its length. Positions are f32, in Å.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::dcd_header::AKMA;
use super::frame::open;
use crate::error::{Error, Result, printable};
use crate::io::content::wrong_content;

/// Bytes of the first record: a 4-letter word and twenty numbers.
const HEADER: u32 = 84;

/// Bytes of a unit cell: six f64.
const CELL: u32 = 48;

/// A DCD file, read frame by frame.
#[derive(Debug)]
pub struct DcdReader {
    path: PathBuf,
    file: BufReader<File>,
    big_endian: bool,
    n_beads: usize,
    /// The beads that frames after the first contain, counted from 1; `None` for all beads.
    free: Option<Vec<u32>>,
    has_cell: bool,
    has_box: bool,
    has_fourth: bool,
    /// The number of frames in the header. Some programs write it at the end of a run, or never.
    n_announced: u32,
    /// The step of the first frame, and the steps between frames.
    steps: [u32; 2],
    /// The time step, ps.
    dt: f64,
    n_read: u64,
    length: u64,
    /// Bytes not read yet.
    left: u64,
    /// The last frame. The next one takes the positions of fixed beads from it.
    frame: Vec<[f32; 3]>,
}

impl DcdReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is damaged; [`Error::Unsupported`] for 64-bit record markers and
    /// for velocities.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, length) = open(path)?;
        let mut reader = DcdReader {
            path: path.to_owned(),
            file: BufReader::new(file),
            big_endian: false,
            n_beads: 0,
            free: None,
            has_cell: false,
            has_box: false,
            has_fourth: false,
            n_announced: 0,
            steps: [0; 2],
            dt: 0.0,
            n_read: 0,
            length,
            left: length,
            frame: Vec::new(),
        };
        reader.header()?;
        Ok(reader)
    }

    /// The number of beads in every frame.
    pub fn n_beads(&self) -> usize {
        self.n_beads
    }

    /// Whether a frame that has been read has a periodic box.
    pub fn has_box(&self) -> bool {
        self.has_box
    }

    fn header(&mut self) -> Result<()> {
        let mut start = [0; 8];
        self.bytes(&mut start, "the header")?;
        let [a, b, c, d, kind @ ..] = start;
        let marker = [a, b, c, d];
        let wide = [u64::from_le_bytes(start), u64::from_be_bytes(start)];
        if wide.contains(&u64::from(HEADER)) {
            let advice = "write it with 32-bit markers, the default of most compilers";
            let error = Error::unsupported("a DCD file with 64-bit record markers", advice);
            return Err(error.of_file(&self.path));
        }
        self.big_endian = u32::from_be_bytes(marker) == HEADER;
        if self.number(marker) != HEADER {
            return Err(wrong_content(&start, "a DCD trajectory").of_file(&self.path));
        }
        if &kind == b"VELD" {
            let error = Error::unsupported("a DCD file of velocities", "give one of positions");
            return Err(error.of_file(&self.path));
        }
        if &kind != b"CORD" {
            let found = String::from_utf8_lossy(&kind).into_owned();
            return Err(self.invalid("kind", format!("{found:?}"), "CORD"));
        }
        let mut control = [0; 20];
        for number in &mut control {
            *number = self.word("the header")?;
        }
        self.marker(HEADER, "the header")?;
        self.n_announced = control[0];
        self.steps = [control[1], control[2]];
        // X-PLOR writes version 0, without CHARMM's unit cell and fourth coordinate.
        let charmm = control[19] != 0;
        (self.has_cell, self.has_fourth) = (charmm && control[10] != 0, charmm && control[11] != 0);
        // X-PLOR writes its time step in other words.
        let dt = if charmm { f32::from_bits(control[9]) } else { 0.0 };
        self.dt = AKMA * f64::from(dt);

        let title = self.word("the title")?;
        self.skip_bytes(u64::from(title), "the title")?;
        self.marker(title, "the title")?;

        self.marker(4, "the number of beads")?;
        let n_beads = self.word("the number of beads")?;
        self.marker(4, "the number of beads")?;
        let n_fixed = control[8];
        if n_beads == 0 || n_beads > (1 << 28) || n_fixed >= n_beads {
            let found = format!("{n_beads}, {n_fixed} of them fixed");
            return Err(self.invalid("beads", found, "1 to 268435456, not all of them fixed"));
        }
        self.n_beads = n_beads as usize;
        if n_fixed > 0 {
            let free = self.record((n_beads - n_fixed) as usize, "the free beads")?;
            let mut last = 0;
            for number in &free {
                if *number <= last || *number > n_beads {
                    let expected = format!("ascending numbers from 1 to {n_beads}");
                    return Err(self.invalid("free beads", number, expected));
                }
                last = *number;
            }
            self.free = Some(free);
        }
        Ok(())
    }

    /// Reads the next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file is damaged or ends within the frame.
    pub fn read(&mut self) -> Result<Option<&[[f32; 3]]>> {
        if self.at_end() {
            return Ok(None);
        }
        let what = format!("frame {}", self.n_read);
        self.cell(&what)?;
        let free = self.free.take();
        // The first frame contains the fixed beads as well.
        let moved = free.as_ref().filter(|_| self.n_read > 0);
        let coordinates = self.coordinates(moved.map(Vec::as_slice), &what);
        self.free = free;
        coordinates?;
        self.fourth(&what)?;
        self.n_read += 1;
        Ok(Some(&self.frame))
    }

    /// Step and time, ps, of the last frame that was read or skipped; `None` if the header does not
    /// tell them.
    pub(super) fn stamp(&self) -> Option<(u64, f64)> {
        let [first, every] = self.steps.map(u64::from);
        let step = first + every * self.n_read.checked_sub(1)?;
        let is_known = every > 0 && self.dt > 0.0 && self.dt.is_finite();
        is_known.then_some((step, step as f64 * self.dt))
    }

    /// The place of the next frame in the file, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.length - self.left
    }

    /// Goes to frame `n`, whose place [`DcdReader::offset`] has told.
    pub(super) fn go_to(&mut self, offset: u64, n: u64) -> Result<()> {
        if self.free.is_some() && self.n_read == 0 && n > 0 {
            // The positions of fixed beads are in the first frame.
            self.read()?;
        }
        let moved = self.file.seek(SeekFrom::Start(offset));
        moved.map_err(|error| Error::io(&self.path, error))?;
        (self.left, self.n_read) = (self.length.saturating_sub(offset), n);
        Ok(())
    }

    /// Skips the next frame; `false` at the end.
    ///
    /// # Errors
    /// See [`DcdReader::read`].
    pub fn skip(&mut self) -> Result<bool> {
        if self.free.is_some() && self.n_read == 0 {
            return self.read().map(|frame| frame.is_some());
        }
        if self.at_end() {
            return Ok(false);
        }
        let what = format!("frame {}", self.n_read);
        self.cell(&what)?;
        let bytes = 4 * self.free.as_ref().map_or(self.n_beads, Vec::len) as u32;
        for _ in 0..3 {
            self.skip_record(bytes, &what)?;
        }
        self.fourth(&what)?;
        self.n_read += 1;
        Ok(true)
    }

    /// Whether all frames are read. Warns if the header announces more frames.
    fn at_end(&self) -> bool {
        let at_end = self.left == 0;
        if at_end && self.n_read < u64::from(self.n_announced) {
            log::warn!(
                "{}: found {} frames, but the header announces {}",
                printable(self.path.display()),
                self.n_read,
                self.n_announced
            );
        }
        at_end
    }

    /// Reads the record of the unit cell, if there is one. Programs write zeros for a system without.
    fn cell(&mut self, what: &str) -> Result<()> {
        if self.has_cell {
            let cell = self.record(CELL as usize / 4, what)?;
            // The lengths stand among the angles.
            self.has_box |= [0, 2, 5].iter().any(|k| cell[2 * k] != 0 || cell[2 * k + 1] != 0);
        }
        Ok(())
    }

    /// Skips the record of the fourth coordinate, if there is one.
    fn fourth(&mut self, what: &str) -> Result<()> {
        let n = self.free.as_ref().filter(|_| self.n_read > 0).map_or(self.n_beads, Vec::len);
        if self.has_fourth { self.skip_record(4 * n as u32, what) } else { Ok(()) }
    }

    /// Reads three records of coordinates, of the given beads (counted from 1) or of all.
    fn coordinates(&mut self, beads: Option<&[u32]>, what: &str) -> Result<()> {
        for axis in 0..3 {
            let numbers = self.record(beads.map_or(self.n_beads, <[u32]>::len), what)?;
            self.frame.resize(self.n_beads, [0.0; 3]);
            for (k, bits) in numbers.into_iter().enumerate() {
                let bead = beads.map_or(k, |beads| beads[k] as usize - 1);
                self.frame[bead][axis] = f32::from_bits(bits);
            }
        }
        Ok(())
    }

    /// Reads a record of `n` words. It checks the size of the file before it allocates memory.
    fn record(&mut self, n: usize, what: &str) -> Result<Vec<u32>> {
        let length = 4 * n as u32;
        self.marker(length, what)?;
        self.need(u64::from(length), what)?;
        let mut bytes = vec![0; length as usize];
        self.bytes(&mut bytes, what)?;
        self.marker(length, what)?;
        Ok(bytes.as_chunks().0.iter().map(|word| self.number(*word)).collect())
    }

    fn skip_record(&mut self, length: u32, what: &str) -> Result<()> {
        self.marker(length, what)?;
        self.skip_bytes(u64::from(length), what)?;
        self.marker(length, what)
    }

    /// Reads the length of a record, and checks it.
    fn marker(&mut self, expected: u32, what: &str) -> Result<()> {
        match self.word(what)? {
            found if found == expected => Ok(()),
            found => {
                let field = format!("{what}, record marker");
                Err(self.invalid(&field, found, format!("{expected}, the length of the record")))
            }
        }
    }

    fn word(&mut self, what: &str) -> Result<u32> {
        let mut bytes = [0; 4];
        self.bytes(&mut bytes, what)?;
        Ok(self.number(bytes))
    }

    fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn bytes(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        self.need(bytes.len() as u64, what)?;
        self.left -= bytes.len() as u64;
        self.file.read_exact(bytes).map_err(|error| Error::io(&self.path, error))
    }

    fn skip_bytes(&mut self, n: u64, what: &str) -> Result<()> {
        self.need(n, what)?;
        self.left -= n;
        // A relative seek keeps the data in the buffer.
        self.file.seek_relative(n as i64).map_err(|error| Error::io(&self.path, error))
    }

    /// Checks that the file has `n` more bytes.
    fn need(&self, n: u64, what: &str) -> Result<()> {
        if n <= self.left {
            return Ok(());
        }
        let found = format!("the end of the file after {} bytes", self.left);
        Err(self.invalid(what, found, format!("{n} more bytes; the file is truncated")))
    }

    fn invalid(&self, field: &str, found: impl ToString, expected: impl Into<String>) -> Error {
        Error::invalid(field, found, expected).of_file(&self.path)
    }
}
