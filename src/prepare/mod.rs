//! From a PDB or mmCIF file to the structures that a model takes: `flashschnet prepare`.
//!
//! ```text
//! file ─► models, chains, residues, atoms ─► chains of amino acids ─► beads ─► index lists ─► join
//!         read, pdb, cif, mmcif, atoms       select, conformer,       coarse,  topology       join
//!                                            fill, links              check
//! sequence ──────────────────────────────────────────────────────► beads
//!         sequence                                                 build, relax
//! ```
//!
//! Every bead is an atom of the file ([`Mapping`]). Beads, types, masses and index lists are those
//! of mlcg-tk, or of TorchMD. Where other tools drop or join atoms silently, this one names them:
//! all problems of a stage are one error ([`crate::Error::Structure`]), choices are notes, and
//! doubts are warnings ([`Log`]).
//!
//! The kinds of these errors, in the order of the stages:
//!
//! | kind | problem |
//! |---|---|
//! | `unknown_residue` | a residue is not among the 20 amino acids |
//! | `no_protein` | there is no amino acid |
//! | `missing_atom` | a bead has no atom |
//! | `chain_break` | residues in a row are not bonded |
//! | `bond_length`, `wrapped` | a bond within a residue is too short or long, or crosses the box |
//! | `overlap` | beads are at one point |
//! | `unknown_term` | the model has a prior whose tuples are not known |
//! | `missing_priors` | the priors have no parameters for some tuples |
//!
//! Networks of TorchMD have the beads of [`Mapping::TorchMd`]. A force field
//! ([`Options::force_field`]) makes their priors for each molecule, and [`Prepared::specialised`]
//! is the model with these priors.
//!
//! A sequence can take the place of a file: [`Coarse::build`] makes an extended chain or random
//! coils, and [`Prepared::minimize`] relaxes them.

mod atoms;
mod build;
mod check;
mod cif;
mod coarse;
mod conformer;
mod fill;
mod join;
mod links;
mod load;
mod log;
mod mapping;
mod mmcif;
mod names;
mod options;
mod origin;
mod pdb;
mod read;
mod relax;
mod report;
mod residue;
mod select;
mod sequence;
mod topology;

use std::path::Path;
use std::sync::Arc;

pub use atoms::ModelChoice;
pub use coarse::{Bead, Coarse};
pub use join::{Joined, Missing, mapping_of};
pub use log::{Log, Warning};
pub use mapping::{Mapping, Site};
pub use names::AminoAcid;
pub use options::{Breaks, Options};
pub use origin::{Origin, Start};
pub use residue::{Chain, Residue};
pub use sequence::{parse_sequence, read_fasta, sequence_text};
pub use topology::{min_pair, term_names, topology};

use crate::error::{OfFile, Result};
use crate::geometry::square;
use crate::model::Model;
use crate::reference::prior_energies;
use crate::structure::Structure;
use crate::system::Molecule;

/// Structures for a model, and everything that is to be told about them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// The beads.
    pub coarse: Coarse,
    /// One structure for each of the chosen models of the file.
    pub structures: Vec<Structure>,
    /// The priors on the beads.
    pub joined: Joined,
    /// The model with the priors that a force field gives to this molecule, if there is one.
    pub specialised: Option<Model>,
    /// The molecule with the parameters of the priors.
    pub molecule: Molecule,
    /// The energy of each prior in each structure, kcal/mol.
    pub energies: Vec<Vec<f64>>,
    /// The largest force of the priors in the first structure, kcal/mol/Å, and its bead.
    pub largest_force: (f64, usize),
}

/// The structures of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Loaded {
    /// Those of a native file or of a `.pt` file of mlcg or flashmd.
    Structures(Vec<Structure>),
    /// Those of a PDB or mmCIF file, with its beads.
    Prepared(Box<Coarse>, Vec<Structure>),
}

/// A larger force of the priors at the start is worth a warning, kcal/mol/Å.
const LARGE_FORCE: f64 = 500.0;

/// Makes structures for a model from a PDB or mmCIF file.
///
/// # Errors
/// Those of [`Coarse::read`], [`mapping_of`] and [`prepare_beads`].
pub fn prepare(path: &Path, options: &Options, model: &Model) -> Result<Prepared> {
    let mapping = mapping_of(model, options)?;
    let coarse = Coarse::read(path, options, mapping)?;
    prepare_beads(coarse, options, model).of_file(path)
}

/// Makes structures for a model from sequences alone, with ideal bond lengths and angles.
///
/// # Errors
/// Those of [`mapping_of`], [`Coarse::build`] and [`prepare_beads`].
pub fn prepare_sequences(
    sequences: &[Vec<AminoAcid>],
    start: Start,
    options: &Options,
    model: &Model,
) -> Result<Prepared> {
    let mapping = mapping_of(model, options)?;
    prepare_beads(Coarse::build(sequences, mapping, start)?, options, model)
}

/// Joins beads with the priors of a model, or with those of a force field for its network.
///
/// # Errors
/// [`crate::Error::Structure`] with the kind `missing_priors`; [`crate::Error::Invalid`] for a bead
/// type that the network does not have, and for tuples that a force field has no parameters for;
/// [`crate::Error::OutOfMemory`].
pub fn prepare_beads(mut coarse: Coarse, options: &Options, model: &Model) -> Result<Prepared> {
    let layout = coarse.layout();
    let (specialised, topology, joined) = match &options.force_field {
        None => {
            let (topology, joined) = join::join(model, &layout, options, &mut coarse.log)?;
            (None, topology, joined)
        }
        Some(field) => {
            let (model, topology, joined) = join::join_force_field(model, field, &layout, options)?;
            (Some(model), topology, joined)
        }
    };
    let model = specialised.as_ref().unwrap_or(model);
    let topology = Arc::new(topology);
    let structures = coarse.structures(&topology);
    // Missing parameters were refused or allowed above.
    let molecule = Molecule::join_with(model, &topology, drop)?;
    let (mut energies, mut largest_force) = (Vec::new(), (0.0, 0));
    for (k, structure) in structures.iter().enumerate() {
        structure.check()?;
        let (of_terms, forces) = prior_energies(&molecule, &structure.positions);
        let energy: f64 = of_terms.iter().sum();
        let (force, bead) = largest(&forces);
        if !(energy.is_finite() && force < LARGE_FORCE) {
            let bead = coarse.beads().nth(bead).map(|bead| bead.label()).unwrap_or_default();
            let place =
                format!("model {}: {bead}", coarse.models.get(k).map_or("1", String::as_str));
            let text = format!(": a force of {force:.0} kcal/mol/A by the priors; relax first");
            coarse.log.warn("large_force", vec![place], &text);
        }
        energies.push(of_terms);
        if k == 0 {
            largest_force = (force, bead);
        }
    }
    Ok(Prepared { coarse, structures, joined, specialised, molecule, energies, largest_force })
}

impl Prepared {
    /// The model with priors for this molecule; `general` is the one that it was prepared for.
    pub fn model<'a>(&'a self, general: &'a Model) -> &'a Model {
        self.specialised.as_ref().unwrap_or(general)
    }
}

/// The largest magnitude of the forces, and its bead. NaN is larger than every number.
fn largest(forces: &[[f64; 3]]) -> (f64, usize) {
    let magnitudes = forces.iter().map(|force| square(*force).sqrt()).enumerate();
    let larger = |best: (f64, usize), (bead, force): (usize, f64)| {
        let is_larger = force > best.0 || (force.is_nan() && !best.0.is_nan());
        if is_larger { (force, bead) } else { best }
    };
    magnitudes.fold((0.0, 0), larger)
}
