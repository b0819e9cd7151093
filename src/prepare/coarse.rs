//! Beads: the chains of all chosen models of a file, with the positions of their beads.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::atoms::{Contents, Frame};
use super::log::{Log, Warning};
use super::mapping::{Layout, Mapping, Site};
use super::names::{AminoAcid, Known, known};
use super::options::Options;
use super::origin::Start;
use super::residue::{Chain, Residue};
use super::sequence::sequence_text;
use super::{build, check, fill, links, read, select};
use crate::error::{Error, OfFile, Result};
use crate::structure::{Structure, Topology};

/// The beads of a structure file, without priors.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// [`Error::Io`] and [`Error::Invalid`] for a file that cannot be read; [`Error::Structure`]
    /// for one whose beads are not determined.
    pub fn read(path: &Path, options: &Options, mapping: Mapping) -> Result<Self> {
        Self::parse(&read::bytes(path, read::EXPECTED)?, options, mapping).of_file(path)
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
            let (notes, warnings) = (contents.notes.clone(), contents.warnings.clone());
            let mut log = Log { notes, warnings, ..Log::default() };
            let chains = chains(frame, contents, options, mapping, &mut log);
            if let (Some(sign), Ok(chains)) = (contents.cut, &chains)
                && contents.numbers.last() == Some(&frame.number)
                && !is_complete(chains, frame, contents)
            {
                log.warn("truncated", vec![sign.to_owned()], "");
            }
            let of_frame = chains.and_then(|chains| Coarse::from_chains(chains, mapping, log));
            let of_frame = of_frame.map_err(|error| with_notes(error, contents))?;
            let Some(first) = &mut coarse else {
                coarse = Some(Coarse { models: vec![frame.number.clone()], ..of_frame });
                continue;
            };
            if of_frame.sequences() != first.sequences() {
                let found = format!("other residues than in model {}", first.models[0]);
                let expected = "the same molecule in all models, or one of the models";
                return Err(Error::invalid(format!("model {}", frame.number), found, expected));
            }
            first.models.push(frame.number.clone());
            first.add(of_frame, &format!("model {}", frame.number));
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
        let is_sorted = lines.is_sorted();
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
        if coarse.is_coarse() && !is_sorted {
            log.note("the beads of the file stand in another order; they are put in the model's");
        }
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

    /// Adds other positions of the same beads; `name` says in warnings which they are.
    fn add(&mut self, mut other: Coarse, name: &str) {
        self.positions.append(&mut other.positions);
        self.log.warnings.extend(
            other
                .log
                .warnings
                .into_iter()
                .map(|warning| Warning { text: format!("{name}: {}", warning.text), ..warning }),
        );
    }

    /// The beads of sequences in conformations that are made without a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no bead.
    pub fn build(sequences: &[Vec<AminoAcid>], mapping: Mapping, start: Start) -> Result<Self> {
        let layout = Layout::new(mapping, sequences);
        Self::with_positions(&layout, build::positions(&layout, start)?)
    }

    /// The beads of sequences at the given positions, one set for each structure, after checks of
    /// their geometry.
    pub(super) fn with_positions(layout: &Layout, all: Vec<Vec<[f64; 3]>>) -> Result<Self> {
        let mut coarse: Option<Coarse> = None;
        for (k, positions) in all.iter().enumerate() {
            let chains = placed(layout, positions);
            let other = Coarse::from_chains(chains, layout.mapping, Log::default())?;
            match &mut coarse {
                Some(first) => first.add(other, &format!("structure {k}")),
                None => coarse = Some(other),
            }
        }
        let mut coarse =
            coarse.ok_or_else(|| Error::invalid("structures", "none", "at least one"))?;
        coarse.digest = read::digest(sequence_text(&coarse.sequences()).as_bytes());
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

    /// The bead types.
    pub fn types(&self) -> Vec<u32> {
        self.layout().types()
    }

    /// For each bead its place in the file; `None` if the file has other atoms, too.
    pub fn order(&self) -> Option<Vec<usize>> {
        if !self.is_coarse() {
            return None;
        }
        let lines: Vec<usize> = self.beads().map(|bead| bead.line()).collect::<Option<_>>()?;
        let mut beads: Vec<usize> = (0..lines.len()).collect();
        beads.sort_by_key(|bead| lines[*bead]);
        let mut places = vec![0; beads.len()];
        beads.into_iter().enumerate().for_each(|(place, bead)| places[bead] = place);
        Some(places)
    }

    /// Whether the file has no other atoms of the residues than beads.
    fn is_coarse(&self) -> bool {
        let is_coarse = |residue: &Residue| {
            let n_sites = residue.sites.iter().flatten().count();
            residue.is_coarse && n_sites == self.mapping.sites(residue.amino).count()
        };
        self.chains.iter().flat_map(|chain| &chain.residues).all(is_coarse)
    }

    /// A structure for each set of positions.
    pub fn structures(&self, topology: &Arc<Topology>) -> Vec<Structure> {
        let structure = |positions: &Vec<[f64; 3]>| Structure {
            topology: topology.clone(),
            positions: positions.clone(),
            velocities: None,
        };
        self.positions.iter().map(structure).collect()
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

    /// The serial number of its atom in the file, if it is decimal.
    pub fn serial(&self) -> Option<u64> {
        self.residue.sites[self.site as usize]?.serial
    }

    /// The line of its atom in the file; `None` if it was rebuilt.
    pub fn line(&self) -> Option<usize> {
        self.residue.sites[self.site as usize]
            .map(|position| position.line)
            .filter(|line| *line > 0)
    }
}

/// The chains of sequences with the positions of their beads. They have the letters A to Z in turn.
fn placed(layout: &Layout, positions: &[[f64; 3]]) -> Vec<Chain> {
    let residue = |(k, r): (usize, usize)| {
        let position = |site| Some(positions[layout.bead(r, site)? as usize]);
        Residue::new(layout.aminos[r], k + 1, position)
    };
    let chain = |(letter, residues): (u8, &Range<usize>)| {
        let residues = residues.clone().enumerate().map(residue).collect();
        Chain::new(&char::from(letter).to_string(), residues)
    };
    (b'A'..=b'Z').cycle().zip(&layout.chains).map(chain).collect()
}

/// Whether the sequences of the file tell that its last residue is not missing.
fn is_complete(chains: &[Chain], frame: &Frame, contents: &Contents) -> bool {
    let has_atoms = |key: &String| frame.segments.iter().any(|segment| segment.sequence == *key);
    let ends = |chain: &Chain| {
        let names = chain.residues.iter().rev().map(|residue| &residue.name);
        let is_residue = |name: &&String| known(name) != Some(Known::Cap);
        let sequence = chain.sequence.iter().rev().filter(is_residue);
        !chain.sequence.is_empty() && names.zip(sequence).take(3).all(|(a, b)| a == b)
    };
    contents.sequences.keys().all(has_atoms) && chains.last().is_some_and(ends)
}

/// Adds what is told about a file to an error, which it can explain.
fn with_notes(mut error: Error, contents: &Contents) -> Error {
    if let Error::Structure { lines, .. } = &mut error {
        lines.extend_from_slice(&contents.notes);
        lines.extend(contents.warnings.iter().map(|warning| warning.text.clone()));
        lines.extend(contents.cut.map(str::to_owned));
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
