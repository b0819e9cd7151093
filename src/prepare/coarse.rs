//! Beads: the chains of all chosen models of a file, with the positions of their beads.

use std::path::Path;

use super::atoms::{Contents, Frame};
use super::log::{Log, Warning};
use super::mapping::{Layout, Mapping, Site};
use super::names::AminoAcid;
use super::options::Options;
use super::residue::{Chain, Residue};
use super::{check, fill, links, read, select};
use crate::error::{Error, OfFile, Result};
use crate::structure::Topology;

/// The beads of a structure file, without priors.
#[derive(Debug, Clone)]
pub struct Coarse {
    /// Which atoms are beads.
    pub mapping: Mapping,
    /// The chains of the first of the chosen models.
    pub chains: Vec<Chain>,
    /// The positions of all beads in each of the chosen models, Å.
    pub positions: Vec<Vec<[f64; 3]>>,
    /// The numbers of the chosen models in the file.
    pub models: Vec<String>,
    /// The number of models of the file.
    pub n_models: usize,
    /// SHA-256 of the file, as hexadecimal digits.
    pub digest: String,
    /// Notes and warnings.
    pub log: Log,
}

/// A bead by its names.
#[derive(Debug, Clone, Copy)]
pub struct Bead<'a> {
    /// The chain, counted from 0.
    pub chain_index: usize,
    /// The residue, counted from 0 through all chains.
    pub residue_index: usize,
    /// The chain.
    pub chain: &'a Chain,
    /// The residue.
    pub residue: &'a Residue,
    /// The place in the residue.
    pub site: Site,
}

impl Coarse {
    /// Reads the beads of a file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Invalid`] for a file that cannot be read; [`Error::Structure`] for
    /// one whose beads are not determined.
    pub fn read(path: &Path, options: &Options, mapping: Mapping) -> Result<Self> {
        Self::parse(&read::bytes(path)?, options, mapping).of_file(path)
    }

    /// The beads of the contents of a file.
    ///
    /// # Errors
    /// Those of [`Coarse::read`], without a path.
    pub fn parse(bytes: &[u8], options: &Options, mapping: Mapping) -> Result<Self> {
        let contents = read::parse(bytes, &options.model)?;
        let mut coarse = Self::of_contents(&contents, options, mapping)?;
        coarse.digest = read::digest(bytes);
        Ok(coarse)
    }

    fn of_contents(contents: &Contents, options: &Options, mapping: Mapping) -> Result<Self> {
        let mut coarse: Option<Coarse> = None;
        for frame in &contents.frames {
            let mut log = Log { notes: contents.notes.clone(), ..Log::default() };
            let chains = chains(frame, contents, options, mapping, &mut log);
            let of_frame = chains.and_then(|chains| Coarse::from_chains(chains, mapping, log));
            let mut of_frame = of_frame.map_err(|error| with_notes(error, &contents.notes))?;
            let Some(first) = &mut coarse else {
                of_frame.models = vec![frame.number.clone()];
                coarse = Some(of_frame);
                continue;
            };
            if of_frame.sequences() != first.sequences() {
                let found = format!("other residues than in model {}", first.models[0]);
                let expected = "the same molecule in all models; --pdb-model N takes one";
                return Err(Error::invalid(format!("model {}", frame.number), found, expected));
            }
            first.models.push(frame.number.clone());
            first.positions.append(&mut of_frame.positions);
            first.log.warnings.extend(of_frame.log.warnings.into_iter().map(|warning| Warning {
                text: format!("model {}: {}", frame.number, warning.text),
                ..warning
            }));
        }
        let mut coarse = coarse.ok_or_else(|| Error::invalid("models", "none", "at least one"))?;
        coarse.n_models = contents.numbers.len();
        Ok(coarse)
    }

    /// The beads of chains whose residues have all their positions, after checks of their geometry.
    ///
    /// # Errors
    /// [`Error::Structure`].
    pub fn from_chains(chains: Vec<Chain>, mapping: Mapping, mut log: Log) -> Result<Self> {
        check::bonds(&chains, mapping)?;
        check::stereo(&chains, mapping, &mut log);
        let of_beads: Vec<_> = chains.iter().flat_map(|chain| chain.positions(mapping)).collect();
        let lines = of_beads.iter().map(|position| position.line).filter(|line| *line > 0);
        let is_coarse = chains.iter().flat_map(|chain| &chain.residues).all(|r| r.is_coarse);
        if is_coarse && !lines.is_sorted() {
            log.note("the beads of the file stand in another order; they are put in the model's");
        }
        let positions: Vec<[f64; 3]> = of_beads.iter().map(|position| position.x).collect();
        let mut coarse = Coarse {
            mapping,
            chains,
            positions: vec![positions],
            models: Vec::new(),
            n_models: 1,
            digest: String::new(),
            log: Log::default(),
        };
        let layout = coarse.layout();
        if layout.n_beads() != coarse.positions[0].len() {
            return Err(Error::invalid(
                "positions",
                coarse.positions[0].len(),
                "one for each bead",
            ));
        }
        let names: Vec<String> = coarse.beads().map(|bead| bead.label()).collect();
        let name = |bead: u32| names[bead as usize].clone();
        check::clashes(&layout, &coarse.positions[0], &name, &mut log)?;
        check::scope(&coarse.chains, &mut log);
        coarse.log = log;
        Ok(coarse)
    }

    /// The amino acids of each chain.
    pub fn sequences(&self) -> Vec<Vec<AminoAcid>> {
        self.chains.iter().map(Chain::aminos).collect()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.mapping, &self.sequences())
    }

    /// Types, masses, and all index lists of the mapping.
    pub fn topology(&self) -> Topology {
        let min_pair = super::topology::min_pair(self.mapping);
        super::topology::topology(self.mapping, &self.sequences(), min_pair)
    }

    /// All beads in order.
    pub fn beads(&self) -> impl Iterator<Item = Bead<'_>> {
        let residues = self.chains.iter().enumerate().flat_map(|(chain_index, chain)| {
            chain.residues.iter().map(move |residue| (chain_index, chain, residue))
        });
        let mapping = self.mapping;
        residues.enumerate().flat_map(move |(residue_index, (chain_index, chain, residue))| {
            let bead = move |site| Bead { chain_index, residue_index, chain, residue, site };
            mapping.sites(residue.amino).map(bead)
        })
    }
}

impl Bead<'_> {
    /// For example `CB of ALA A 5`.
    pub fn label(&self) -> String {
        format!("{} of {}", self.site.name(), self.residue.label(&self.chain.letter))
    }

    /// The line of its atom in the file; `None` if it was rebuilt.
    pub fn line(&self) -> Option<usize> {
        self.residue.sites[self.site as usize]
            .map(|position| position.line)
            .filter(|line| *line > 0)
    }
}

/// Adds the notes about a file to an error, which they can explain.
fn with_notes(mut error: Error, notes: &[String]) -> Error {
    if let Error::Structure { lines, .. } = &mut error {
        lines.extend_from_slice(notes);
    }
    error
}

/// The chains of a model, stage by stage.
fn chains(
    frame: &Frame,
    contents: &Contents,
    options: &Options,
    mapping: Mapping,
    log: &mut Log,
) -> Result<Vec<Chain>> {
    let strands = select::select(frame, contents, options, mapping, log)?;
    let chains = fill::fill(&strands, options, mapping, log)?;
    let mut chains = links::split(chains, options, mapping, log)?;
    fill::rebuild(&mut chains, options, mapping, log)?;
    Ok(chains)
}
