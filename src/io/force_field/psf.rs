//! PSF files: atom types and tuples of a molecule.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::residues::{Residue, known_names};
use crate::error::{Error, Result};
use crate::io::entry::Source;
use crate::structure::Topology;
use crate::units::AMU;

/// The most beads of a file.
const MOST: usize = 1 << 24;

/// The sections that are read. All others are skipped.
const SECTIONS: [&str; 6] = ["NTITLE", "NATOM", "NBOND", "NTHETA", "NPHI", "NIMPHI"];

/// A molecule as a PSF file has it, with one bead per residue. Charges and masses are not read.
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
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        // Remarks can be in Latin-1.
        let latin = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect();
        let text = String::from_utf8(bytes).unwrap_or_else(|error| latin(error.into_bytes()));
        Self::parse(path.to_owned(), &text)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// See [`Psf::read`].
    pub fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let source = Source { path };
        let mut lines = (1..).zip(text.lines()).peekable();
        match lines.next() {
            Some((_, first)) if first.trim_start_matches('\u{feff}').starts_with("PSF") => {}
            _ => return Err(source.invalid(1, "content", "other text", "a PSF file")),
        }
        let mut psf = Psf::default();
        let mut read = HashSet::new();
        while let Some((number, line)) = lines.next() {
            let Some((count, title)) = title(line) else { continue };
            let name = title.split([':', ' ', '\t']).next().unwrap_or_default();
            if !SECTIONS.contains(&name) {
                continue;
            }
            let count = count.split_whitespace().next().and_then(|count| count.parse().ok());
            let count = count.filter(|count: &usize| *count <= MOST).ok_or_else(|| {
                let expected = format!("a number up to {MOST} before the title");
                source.invalid(number, title, line.trim(), expected)
            })?;
            if !read.insert(name) {
                return Err(source.invalid(number, title, "the section a second time", "it once"));
            }
            let (order, list) = match name {
                "NTITLE" => {
                    lines.by_ref().take(count).for_each(drop);
                    continue;
                }
                "NATOM" => {
                    for _ in 0..count {
                        let (number, line) = lines.next().unwrap_or((number, ""));
                        psf.add_atom(&source, number, line)?;
                    }
                    continue;
                }
                "NBOND" => (2, &mut psf.bonds),
                "NTHETA" => (3, &mut psf.angles),
                "NPHI" => (4, &mut psf.dihedrals),
                _ => (4, &mut psf.impropers),
            };
            let n_beads = psf.atom_types.len();
            let mut beads: Vec<u32> = Vec::new();
            let is_inside = |(_, line): &(_, &str)| !line.trim().is_empty() && !line.contains('!');
            while let Some((number, line)) = lines.next_if(is_inside) {
                for word in line.split_whitespace() {
                    // Beads are counted from 1 by their places, whatever their serial numbers are.
                    let bead =
                        word.parse::<u32>().ok().filter(|b| (1..=n_beads).contains(&(*b as usize)));
                    let expected = format!("a bead from 1 to {n_beads}");
                    let bead = bead.ok_or_else(|| source.invalid(number, title, word, expected))?;
                    beads.push(bead - 1);
                }
            }
            if beads.len() != count * order {
                let expected = format!("{count} tuples of {order}");
                let found = format!("{} beads", beads.len());
                return Err(source.invalid(number, title, found, expected));
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
    /// The columns of the extended formats are wider, and have more columns after these.
    fn add_atom(&mut self, source: &Source, number: usize, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_number = |word: &str| word.parse().is_ok_and(f64::is_finite);
        let refused = |expected| Err(source.invalid(number, "NATOM", line.trim(), expected));
        match words[..] {
            [_, first, second, ..] if is_residue_number(first) && !is_residue_number(second) => {
                refused("the name of a segment before the number of the residue")
            }
            [_, _, residue_number, residue, _, atom_type, charge, mass, ..]
                if is_residue_number(residue_number) && is_number(charge) && is_number(mass) =>
            {
                self.residues.push(residue.to_owned());
                self.atom_types.push(atom_type.to_owned());
                Ok(())
            }
            _ => refused(
                "an atom: serial, segment, residue number, residue, name, type, charge and mass",
            ),
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
        let of_residue = |(bead, name): (usize, &String)| {
            let known = Residue::of_name(name).map(|residue| residue.bead_type);
            known.ok_or_else(|| {
                let expected = format!(
                    "a residue that the published networks know: {}; or a list of embeddings",
                    known_names()
                );
                Error::invalid(format!("residue of bead {bead}"), name, expected)
            })
        };
        self.residues.iter().enumerate().map(of_residue).collect()
    }

    /// The molecule of a topology with the bead types of the published networks. The lists that
    /// have the names of terms of a force field are its tuples.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bead type that is not in the table.
    pub fn of_topology(topology: &Topology) -> Result<Self> {
        let residue = |(bead, bead_type): (usize, &u32)| {
            Residue::of_type(*bead_type).ok_or_else(|| {
                let expected = "a bead type of the published networks of TorchMD";
                Error::invalid(format!("type of bead {bead}"), bead_type, expected)
            })
        };
        let residues: Vec<Residue> =
            topology.types.iter().enumerate().map(residue).collect::<Result<_>>()?;
        let tuples = |name: &str| {
            let list = topology.lists.iter().find(|list| list.name == name);
            list.map_or_else(Vec::new, |list| list.tuples.clone())
        };
        Ok(Psf {
            residues: residues.iter().map(|residue| residue.name().to_owned()).collect(),
            atom_types: residues.iter().map(|residue| residue.atom_type()).collect(),
            bonds: tuples("bonds"),
            angles: tuples("angles"),
            dihedrals: tuples("dihedrals"),
            impropers: tuples("impropers"),
        })
    }

    /// The text of a file. A new segment begins where no bond leads to the bead before; residues
    /// are counted in each segment. `masses` are those of
    /// [`ForceField::masses`](super::ForceField::masses): newer versions of torchmd take them from
    /// this file.
    pub fn text(&self, masses: &[f64]) -> String {
        let bonds: HashSet<[u32; 2]> =
            self.bonds.iter().map(|[i, j, ..]| [*i.min(j), *i.max(j)]).collect();
        let (mut segment, mut number) = (0, 0);
        let mut text = format!("PSF NAMD\n\n       0 !NTITLE\n\n{:>8} !NATOM\n", self.n_beads());
        let atoms = self.residues.iter().zip(&self.atom_types).zip(masses);
        for (bead, ((residue, atom_type), mass)) in (0_u32..).zip(atoms) {
            if bead > 0 && !bonds.contains(&[bead - 1, bead]) {
                (segment, number) = (segment + 1, 0);
            }
            number += 1;
            let _ = writeln!(
                text,
                "{:>10} {:<8} {number:<8} {residue:<8} {:<8} {atom_type:<8} {:.6}{:>14.4}{:>12}",
                bead + 1,
                segment_name(segment),
                "CA",
                0.0,
                mass / AMU,
                0
            );
        }
        for (title, order, of_line, tuples) in [
            ("NBOND: bonds", 2, 4, &self.bonds),
            ("NTHETA: angles", 3, 3, &self.angles),
            ("NPHI: dihedrals", 4, 2, &self.dihedrals),
            ("NIMPHI: impropers", 4, 2, &self.impropers),
        ] {
            let _ = writeln!(text, "\n{:>8} !{title}", tuples.len());
            for line in tuples.chunks(of_line) {
                let beads = line.iter().flat_map(|tuple| &tuple[..order]);
                let line: String = beads.map(|bead| format!("{:>10}", bead + 1)).collect();
                let _ = writeln!(text, "{line}");
            }
        }
        text + "\n"
    }
}

/// The text before and after the exclamation mark of a title; `None` for other lines. A remark can
/// have the name of a section.
fn title(line: &str) -> Option<(&str, &str)> {
    let (count, title) = line.split_once('!')?;
    let is_remark = line.trim_start().starts_with("REMARK");
    (!is_remark).then(|| (count, title.trim()))
}

/// Whether a word is the number of a residue, which can have an insertion letter.
fn is_residue_number(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let digits = digits.strip_suffix(|c: char| c.is_ascii_alphabetic()).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name of a segment: A to Z, then A1 to Z1 and so on.
fn segment_name(segment: usize) -> String {
    let letter = char::from(b'A' + (segment % 26) as u8);
    match segment / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}
