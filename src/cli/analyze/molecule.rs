//! The molecule of the trajectories: names and places of its beads.

use std::path::Path;

use crate::error::OfFile;
use crate::io::force_field::has_terms;
use crate::io::names_of_types;
use crate::prepare::{Loaded, Mapping, Options};
use crate::system::Convention;
use crate::{Error, Result};

/// A bead by its names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bead {
    pub(super) atom: String,
    pub(super) residue: String,
    /// The number of the residue in the file.
    pub(super) number: String,
    pub(super) chain: String,
}

/// The beads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Molecule(pub(super) Vec<Bead>);

impl Molecule {
    /// The beads of a PDB or mmCIF file, or of a structures file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let read = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        if let Ok(text) = std::str::from_utf8(&read)
            && let Some(beads) = of_pdb(text)
            && beads.iter().all(|bead| ["N", "CA", "CB", "C", "O"].contains(&&*bead.atom))
        {
            return Ok(Molecule(beads));
        }
        let loaded = Loaded::load_alone(path, &Options::default())?;
        if let Some(coarse) = loaded.coarse() {
            let bead = |bead: crate::prepare::Bead| Bead {
                atom: bead.site.name().to_owned(),
                residue: bead.residue.name.clone(),
                number: bead.residue.number.clone(),
                chain: bead.chain.letter.clone(),
            };
            return Ok(Molecule(coarse.beads().map(bead).collect()));
        }
        let structures = loaded.structures();
        let first = structures.first();
        let first = first.ok_or_else(|| Error::invalid("structures", "none", "at least one"));
        let topology = &first.of_file(path)?.topology;
        let convention = match has_terms(topology.lists.iter().map(|list| list.name.as_str())) {
            true => Convention::TorchMd,
            false => Convention::Mlcg,
        };
        let names = names_of_types(&topology.types, convention);
        let bead = |name: crate::io::BeadName| Bead {
            atom: name.atom.to_owned(),
            residue: name.residue.to_owned(),
            number: name.number.to_string(),
            chain: name.letter().to_string(),
        };
        Ok(Molecule(names.into_iter().map(bead).collect()))
    }

    pub(super) fn n_beads(&self) -> usize {
        self.0.len()
    }

    /// Which atoms are beads.
    pub(super) fn mapping(&self) -> Mapping {
        match self.0.iter().all(|bead| bead.atom == "CA") {
            true => Mapping::Ca,
            false => Mapping::FiveBead,
        }
    }

    /// The CA beads, or all beads if there are none.
    pub(super) fn of_chain(&self) -> Vec<u32> {
        let beads = || 0..self.n_beads() as u32;
        let ca: Vec<u32> = beads().filter(|bead| self.0[*bead as usize].atom == "CA").collect();
        if ca.is_empty() { beads().collect() } else { ca }
    }

    /// The name of a bead in tables, for example `TRP CA`.
    pub(super) fn name(&self, bead: u32) -> String {
        let Bead { atom, residue, .. } = &self.0[bead as usize];
        format!("{residue} {atom}")
    }

    /// The text of a PDB file of some beads, Å.
    pub(super) fn pdb(&self, beads: &[u32], positions: &[[f64; 3]]) -> String {
        let line = |(serial, bead): (usize, &u32)| {
            let Bead { atom, residue, number, chain } = &self.0[*bead as usize];
            let [x, y, z] = positions[*bead as usize];
            let (serial, chain) = ((serial + 1) % 100_000, chain.chars().next().unwrap_or(' '));
            format!(
                "ATOM  {serial:>5}  {atom:<3} {residue:<3.3} {chain}{number:>4.4}    \
                 {x:8.3}{y:8.3}{z:8.3}  1.00  0.00          {:>2}  \n",
                &atom[..1]
            )
        };
        beads.iter().enumerate().map(line).chain(["END\n".to_owned()]).collect()
    }
}

/// The atoms of the first model of a PDB file; `None` for another file.
fn of_pdb(text: &str) -> Option<Vec<Bead>> {
    let mut beads = Vec::new();
    for line in text.lines() {
        match line.get(..6).unwrap_or(line).trim_end() {
            "ATOM" | "HETATM" => beads.push(Bead {
                atom: line.get(12..16)?.trim().to_owned(),
                residue: line.get(17..20)?.trim().to_owned(),
                chain: line.get(21..22)?.trim().to_owned(),
                number: line.get(22..26)?.trim().to_owned(),
            }),
            "ENDMDL" | "END" => break,
            _ => {}
        }
    }
    (!beads.is_empty()).then_some(beads)
}
