//! PSF files: atom types and tuples of a molecule.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::entry::Source;

/// The most beads of a file.
const MOST: usize = 1 << 24;

/// A molecule of a PSF file. Charges and masses are not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Psf {
    /// The residue name of each bead.
    pub residues: Vec<String>,
    /// The atom type of each bead.
    pub atom_types: Vec<String>,
    /// Pairs.
    pub bonds: Vec<[u32; 4]>,
    /// Triples.
    pub angles: Vec<[u32; 4]>,
    /// Quadruples.
    pub dihedrals: Vec<[u32; 4]>,
    /// Quadruples.
    pub impropers: Vec<[u32; 4]>,
}

impl Psf {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] names the wrong line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(path.to_owned(), &text)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// See [`Psf::read`].
    pub fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let source = Source { path };
        let mut lines = text.lines().enumerate().map(|(k, line)| (k + 1, line));
        match lines.next() {
            Some((_, first)) if first.trim_start_matches('\u{feff}').starts_with("PSF") => {}
            _ => return Err(source.invalid(1, "content", "other text", "a PSF file")),
        }
        let mut psf = Psf::default();
        while let Some((number, line)) = lines.next() {
            let Some((count, title)) = line.split_once('!') else { continue };
            let count = || {
                let count = count.split_whitespace().next().and_then(|count| count.parse().ok());
                let count = count.filter(|count: &usize| *count <= MOST);
                let expected = format!("a number up to {MOST} before the title");
                count.ok_or_else(|| source.invalid(number, title.trim(), line.trim(), expected))
            };
            let section = title.split([':', ' ']).next().unwrap_or_default();
            let (order, list) = match section {
                "NATOM" => {
                    for _ in 0..count()? {
                        let (number, line) = lines.next().unwrap_or((number, ""));
                        psf.add_atom(&source, number, line)?;
                    }
                    continue;
                }
                "NBOND" => (2, &mut psf.bonds),
                "NTHETA" => (3, &mut psf.angles),
                "NPHI" => (4, &mut psf.dihedrals),
                "NIMPHI" => (4, &mut psf.impropers),
                _ => continue,
            };
            let n_beads = psf.atom_types.len();
            let mut beads: Vec<u32> = Vec::new();
            let section = lines.by_ref().take_while(|(_, line)| !line.trim().is_empty());
            for (number, line) in section {
                for word in line.split_whitespace() {
                    // Beads are counted from 1 by their places, whatever their serial numbers are.
                    let bead =
                        word.parse::<u32>().ok().filter(|b| (1..=n_beads).contains(&(*b as usize)));
                    let expected = format!("a bead from 1 to {n_beads}");
                    let bead =
                        bead.ok_or_else(|| source.invalid(number, title.trim(), word, expected))?;
                    beads.push(bead - 1);
                }
            }
            let count = count()?;
            if beads.len() != count * order {
                let expected = format!("{count} tuples of {order}");
                let found = format!("{} beads", beads.len());
                return Err(source.invalid(number, title.trim(), found, expected));
            }
            let tuple = |beads: &[u32]| {
                let mut tuple = [0; 4];
                tuple[..order].copy_from_slice(beads);
                tuple
            };
            *list = beads.chunks_exact(order).map(tuple).collect();
        }
        match psf.atom_types.is_empty() {
            true => Err(source.invalid(0, "NATOM", "no atoms", "at least one")),
            false => Ok(psf),
        }
    }

    /// Adds the atom of a line: serial, segment, residue number, residue, name, type, charge, mass.
    fn add_atom(&mut self, source: &Source, number: usize, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_number = |word: &str| word.parse::<f64>().is_ok();
        match words[..] {
            [_, _, _, residue, _, atom_type, charge, mass, ..]
                if is_number(charge) && is_number(mass) =>
            {
                self.residues.push(residue.to_owned());
                self.atom_types.push(atom_type.to_owned());
                Ok(())
            }
            _ => {
                let expected = "an atom: serial, segment, residue number, residue, name, type, \
                                charge and mass";
                Err(source.invalid(number, "NATOM", line.trim(), expected))
            }
        }
    }

    /// The number of beads.
    pub fn n_beads(&self) -> usize {
        self.atom_types.len()
    }

    /// The bead types of the published networks, by residue.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a residue that is not in the table.
    pub fn types(&self) -> Result<Vec<u32>> {
        let of_residue = |(bead, residue): (usize, &String)| {
            type_of(residue).ok_or_else(|| {
                let expected = "a residue that the published networks know, or --embeddings";
                Error::invalid(format!("residue of bead {bead}"), residue, expected)
            })
        };
        self.residues.iter().enumerate().map(of_residue).collect()
    }
}

/// The bead type of a residue in the published networks.
pub fn type_of(residue: &str) -> Option<u32> {
    TYPES.iter().find(|(names, _)| names.contains(&residue)).map(|(_, of)| *of)
}

/// The residue of a bead type in the published networks.
pub(crate) fn residue_of(bead_type: u32) -> Option<&'static str> {
    TYPES.iter().find(|(_, of)| *of == bead_type).map(|(names, _)| names[0])
}

/// The bead types of the published networks.
const TYPES: [(&[&str], u32); 21] = [
    (&["ALA"], 1),
    (&["GLY"], 2),
    (&["PHE"], 3),
    (&["TYR"], 4),
    (&["ASP"], 5),
    (&["GLU"], 6),
    (&["TRP"], 7),
    (&["PRO"], 8),
    (&["ASN"], 9),
    (&["GLN"], 10),
    (&["HIS", "HSD", "HSE"], 11),
    (&["SER"], 12),
    (&["THR"], 13),
    (&["VAL"], 14),
    (&["MET"], 15),
    (&["CYS"], 16),
    (&["NLE"], 17),
    (&["ARG"], 19),
    (&["LYS"], 20),
    (&["LEU"], 21),
    (&["ILE"], 22),
];
