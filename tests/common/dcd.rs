//! Writes DCD files in the flavors of the field's tools, and unsound ones.
#![allow(dead_code, reason = "every test file uses a part")]

/// The options of a DCD file.
#[derive(Clone)]
pub(crate) struct Dcd {
    pub(crate) big_endian: bool,
    /// Bytes of a record marker, 4 or 8.
    pub(crate) marker: usize,
    pub(crate) kind: [u8; 4],
    /// 24 in CHARMM's files and OpenMM's, 0 in X-PLOR's.
    pub(crate) version: u32,
    pub(crate) cell: bool,
    pub(crate) fourth: bool,
    pub(crate) titles: u32,
    /// Numbers of the free beads, counted from 1. All beads are free if it is empty.
    pub(crate) free: Vec<u32>,
    /// The number of frames in the header; `None` for the true number.
    pub(crate) announced: Option<u32>,
}

impl Default for Dcd {
    fn default() -> Self {
        Dcd {
            big_endian: false,
            marker: 4,
            kind: *b"CORD",
            version: 24,
            cell: false,
            fourth: false,
            titles: 2,
            free: Vec::new(),
            announced: None,
        }
    }
}

impl Dcd {
    fn number(&self, x: u32) -> [u8; 4] {
        if self.big_endian { x.to_be_bytes() } else { x.to_le_bytes() }
    }

    fn record(&self, file: &mut Vec<u8>, body: &[u8]) {
        let length = body.len() as u64;
        let marker = match (self.marker, self.big_endian) {
            (8, false) => length.to_le_bytes().to_vec(),
            (8, true) => length.to_be_bytes().to_vec(),
            _ => self.number(length as u32).to_vec(),
        };
        file.extend(&marker);
        file.extend(body);
        file.extend(&marker);
    }

    /// The bytes of a file with these frames, Å.
    pub(crate) fn bytes(&self, frames: &[Vec<[f32; 3]>]) -> Vec<u8> {
        let n_beads = frames.first().map_or(0, Vec::len) as u32;
        let mut control = [0; 20];
        control[0] = self.announced.unwrap_or(frames.len() as u32);
        (control[1], control[2], control[3]) = (1000, 1000, 1000 * frames.len() as u32);
        control[8] = if self.free.is_empty() { 0 } else { n_beads - self.free.len() as u32 };
        control[9] = 0.08_f32.to_bits();
        (control[10], control[11]) = (u32::from(self.cell), u32::from(self.fourth));
        control[19] = self.version;
        if self.version == 0 {
            // X-PLOR stores the time step as an f64, in the two words that CHARMM uses for an f32
            // time step and the flag of the cell.
            (control[9], control[10]) = (0x9999_999a, 0x3fa9_9999);
        }
        let mut file = Vec::new();
        let mut body = self.kind.to_vec();
        control.iter().for_each(|x| body.extend(self.number(*x)));
        self.record(&mut file, &body);
        let mut body = self.number(self.titles).to_vec();
        body.resize(4 + 80 * self.titles as usize, b' ');
        self.record(&mut file, &body);
        self.record(&mut file, &self.number(n_beads));
        if !self.free.is_empty() {
            let body: Vec<u8> = self.free.iter().flat_map(|x| self.number(*x)).collect();
            self.record(&mut file, &body);
        }
        for (f, frame) in frames.iter().enumerate() {
            if self.cell {
                self.record(&mut file, &[7; 48]);
            }
            let held: Vec<[f32; 3]> = match (f, &self.free[..]) {
                (0, _) | (_, []) => frame.clone(),
                (_, free) => free.iter().map(|bead| frame[*bead as usize - 1]).collect(),
            };
            for axis in 0..3 {
                let body = held.iter().flat_map(|x| self.number(x[axis].to_bits()));
                self.record(&mut file, &body.collect::<Vec<u8>>());
            }
            if self.fourth {
                self.record(&mut file, &vec![0; 4 * held.len()]);
            }
        }
        file
    }
}

/// Frames in which every free bead moves. `free` counts from 1; all beads are free if it is empty.
pub(crate) fn frames(n_frames: usize, n_beads: usize, free: &[u32]) -> Vec<Vec<[f32; 3]>> {
    let at = |f: usize, i: usize| {
        let f = if free.is_empty() || free.contains(&(i as u32 + 1)) { f } else { 0 };
        [3.8 * i as f32, (f as f32 + 1.0) * 0.25, -1.0 - i as f32 * 0.5]
    };
    (0..n_frames).map(|f| (0..n_beads).map(|i| at(f, i)).collect()).collect()
}
