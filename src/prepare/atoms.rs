//! The atoms of a structure file: models, chains, residues and atoms in the order of the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::log::Warning;
use super::mapping::Site;
use super::names::{is_amino_acid, is_water_or_nucleotide};
use crate::geometry::{separation, square};
use crate::text::is_control;

/// Which models of a file are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// The first.
    #[default]
    First,
    /// The one with this number in the file.
    Number(String),
    /// All, as structures of one system.
    All,
}

/// An atom, with the line of the file that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    pub(super) name: String,
    /// The alternate location; empty for an atom without.
    pub(super) altloc: String,
    /// The name of the residue in this atom's line; alternate locations can differ in it.
    pub(super) residue: String,
    pub(super) position: [f64; 3],
    pub(super) occupancy: f64,
    pub(super) line: usize,
    /// The serial number, if it is decimal.
    pub(super) serial: Option<u64>,
}

/// The atoms of a residue or of another molecule.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    /// A label: neither unique nor ascending, and not always a number.
    pub(super) number: String,
    pub(super) icode: String,
    /// Whether all atoms are HETATM.
    pub(super) het: bool,
    /// Whether it is part of a polymer, where the file says so.
    pub(super) polymer: Option<bool>,
    pub(super) atoms: Vec<Atom>,
    pub(super) line: usize,
}

/// A part of a model with one chain letter, up to the next letter or TER.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The letter that people know: the author's.
    pub(super) letter: String,
    /// The letter that separates chains: `label_asym_id` in mmCIF.
    pub(super) label: String,
    /// The key of its sequence in [`Contents::sequences`].
    pub(super) sequence: String,
    pub(super) residues: Vec<Group>,
}

#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) number: String,
    pub(super) segments: Vec<Segment>,
}

/// A structure file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The models that were asked for.
    pub(super) frames: Vec<Frame>,
    /// The numbers of all models of the file.
    pub(super) numbers: Vec<String>,
    /// The residues of whole chains, also those without coordinates.
    pub(super) sequences: BTreeMap<String, Vec<String>>,
    /// Things to tell about the file.
    pub(super) notes: Vec<String>,
    /// Doubts about the file.
    pub(super) warnings: Vec<Warning>,
    /// The sign that the file may be cut off behind its last atom.
    pub(super) cut: Option<&'static str>,
}

/// A line of the file with an atom.
pub(super) struct Row<'a> {
    pub(super) het: bool,
    pub(super) name: &'a str,
    pub(super) altloc: &'a str,
    pub(super) residue: &'a str,
    pub(super) letter: &'a str,
    pub(super) label: &'a str,
    pub(super) sequence: &'a str,
    pub(super) number: &'a str,
    pub(super) icode: &'a str,
    pub(super) polymer: Option<&'a str>,
    pub(super) position: [f64; 3],
    pub(super) occupancy: f64,
    pub(super) line: usize,
    pub(super) serial: &'a str,
}

/// A residue with more atoms is taken for several, so that the search for equal names stays short.
const MOST_ATOMS: usize = 1000;

/// Number, insertion code, and number in the polymer.
type Key = (String, String, String);

/// Longer names and labels are cut, characters. Those of the formats have at most 15.
const LONGEST: usize = 30;

/// A text of the file for messages: short, and without control characters.
fn clean(text: &str) -> String {
    let is_plain = text.len() <= LONGEST && !text.contains(is_control);
    match is_plain {
        true => text.to_owned(),
        false => text.chars().take(LONGEST).collect::<String>().replace(is_control, "\u{fffd}"),
    }
}

/// Groups the atoms of a file into models, chains and residues.
pub(super) struct Builder {
    choice: ModelChoice,
    contents: Contents,
    /// The open model.
    at: Option<Place>,
    /// The models that mmCIF interrupts by another, by their numbers.
    paused: HashMap<String, Place>,
    /// The chains of models that no record names and that are not taken.
    left_out: BTreeSet<String>,
}

/// The place in a model where the next atom belongs.
#[derive(Default)]
struct Place {
    number: String,
    /// The place of the model in [`Contents::frames`]; `None` if it was not asked for.
    frame: Option<usize>,
    /// Whether a record names the model.
    is_named: bool,
    /// Whether a chain is open, to which the next atom can belong.
    in_chain: bool,
    /// The residues of the open chain.
    residues: HashMap<Key, usize>,
    last: Key,
}

impl Builder {
    pub(super) fn new(choice: &ModelChoice) -> Self {
        Builder {
            choice: choice.clone(),
            contents: Contents::default(),
            at: None,
            paused: HashMap::new(),
            left_out: BTreeSet::new(),
        }
    }

    pub(super) fn finish(self) -> Contents {
        let Builder { mut contents, mut left_out, choice, .. } = self;
        if contents.frames.iter().any(|frame| !frame.segments.is_empty()) {
            for frame in contents.frames.extract_if(.., |frame| frame.segments.is_empty()) {
                contents.notes.push(format!("model {} has no atoms", frame.number));
            }
        }
        for segment in contents.frames.iter().flat_map(|frame| &frame.segments) {
            left_out.remove(&segment.letter);
        }
        if choice == ModelChoice::First && !left_out.is_empty() {
            let letters: Vec<String> = left_out.into_iter().collect();
            let text = format!(
                "END is not at the end of the file; chain {} behind it is left out",
                letters.join(", ")
            );
            contents.warnings.push(Warning { kind: "left_out", text });
        }
        contents
    }

    pub(super) fn note(&mut self, note: &str) {
        self.contents.notes.push(note.to_owned());
    }

    /// Says that the file may be cut off, unless its last chain is complete.
    pub(super) fn cut(&mut self, sign: &'static str) {
        self.contents.cut = Some(sign);
    }

    pub(super) fn sequence(&mut self, key: &str, name: &str) {
        self.contents.sequences.entry(clean(key)).or_default().push(clean(name));
    }

    pub(super) fn start_model(&mut self, number: &str) {
        let has_atoms = |frame: &Frame| !frame.segments.is_empty();
        let number = clean(number);
        self.contents.numbers.push(number.clone());
        let is_taken = match &self.choice {
            ModelChoice::First => !self.contents.frames.iter().any(has_atoms),
            ModelChoice::Number(wanted) => *wanted == number,
            ModelChoice::All => true,
        };
        let frame = is_taken.then_some(self.contents.frames.len());
        if is_taken {
            self.contents.frames.push(Frame { number: number.clone(), segments: Vec::new() });
        }
        self.at = Some(Place { number, frame, is_named: true, ..Place::default() });
    }

    /// Goes on with the model of this number, or starts it.
    pub(super) fn continue_model(&mut self, number: &str) {
        let number = clean(number);
        if let Some(place) = self.at.take() {
            self.paused.insert(place.number.clone(), place);
        }
        match self.paused.remove(&number) {
            Some(place) => self.at = Some(place),
            None => self.start_model(&number),
        }
    }

    pub(super) fn end_model(&mut self) {
        self.at = None;
    }

    pub(super) fn end_chain(&mut self) {
        if let Some(place) = &mut self.at {
            place.in_chain = false;
        }
    }

    pub(super) fn add(&mut self, row: &Row) {
        if self.at.is_none() {
            let number = (self.contents.numbers.len() + 1).to_string();
            self.start_model(&number);
            self.at.iter_mut().for_each(|place| place.is_named = false);
        }
        let Some(at) = &mut self.at else { return };
        let Some(frame) = at.frame.and_then(|frame| self.contents.frames.get_mut(frame)) else {
            if !at.is_named && !self.left_out.contains(row.letter) {
                self.left_out.insert(clean(row.letter));
            }
            return;
        };
        let same = |segment: &Segment| segment.label == row.label && segment.letter == row.letter;
        if !at.in_chain || !frame.segments.last().is_some_and(same) {
            frame.segments.push(Segment {
                letter: clean(row.letter),
                label: clean(row.label),
                sequence: clean(row.sequence),
                residues: Vec::new(),
            });
            at.residues.clear();
            at.in_chain = true;
        }
        let Some(segment) = frame.segments.last_mut() else { return };
        let atom = Atom {
            name: clean(row.name),
            altloc: clean(row.altloc),
            residue: clean(row.residue),
            position: row.position,
            occupancy: row.occupancy,
            line: row.line,
            serial: row.serial.parse().ok(),
        };
        let polymer = row.polymer.unwrap_or_default();
        let is_last = at.last.0 == row.number && at.last.1 == row.icode && at.last.2 == polymer;
        let known = match is_last && !segment.residues.is_empty() {
            true => Some(segment.residues.len() - 1),
            // The beads of a residue can stand apart, for example in a file that is sorted by
            // names.
            false => {
                at.last = (row.number.to_owned(), row.icode.to_owned(), polymer.to_owned());
                at.residues.get(&at.last).copied()
            }
        };
        if let Some(residue) = known.and_then(|place| segment.residues.get_mut(place))
            && accepts(residue, &atom)
        {
            residue.het &= row.het;
            residue.atoms.push(atom);
            // The next atom of this residue is found by its key.
            if known != Some(segment.residues.len() - 1) {
                at.last = Key::default();
            }
            return;
        }
        at.residues.insert(at.last.clone(), segment.residues.len());
        segment.residues.push(Group {
            name: clean(row.residue),
            number: clean(row.number),
            icode: clean(row.icode),
            het: row.het,
            polymer: row.polymer.map(|number| !number.is_empty()),
            atoms: vec![atom],
            line: row.line,
        });
    }
}

/// Whether an atom with the label of a residue is part of it.
fn accepts(residue: &Group, atom: &Atom) -> bool {
    residue.atoms.len() < MOST_ATOMS
        && (residue.name == atom.residue || is_alternate(residue, atom))
        && !begins_another(residue, atom)
}

/// Whether an atom of a residue of another name is an alternate location: of another amino acid in
/// the same place, not of a water or a ligand with the same number.
fn is_alternate(residue: &Group, atom: &Atom) -> bool {
    /// Alternate locations of an atom are nearer than this, Å.
    const NEAR: f64 = 3.0;
    let has_alternates = residue.atoms.iter().any(|other| !other.altloc.is_empty());
    if atom.altloc.is_empty() || !has_alternates || is_water_or_nucleotide(&atom.residue) {
        return false;
    }
    let is_copy = |other: &Atom| {
        other.residue == atom.residue
            || (other.name == atom.name
                && square(separation(other.position, atom.position)) < NEAR * NEAR)
    };
    let are_amino_acids = is_amino_acid(&residue.name) && is_amino_acid(&atom.residue);
    are_amino_acids || residue.atoms.iter().any(is_copy)
}

/// Whether an atom begins another residue with the same label: one that has a second N, CA, C, O or
/// CB. Names of other atoms need not be unique in an amino acid. Other molecules have unique names.
fn begins_another(residue: &Group, atom: &Atom) -> bool {
    let same = |other: &Atom| other.name == atom.name && other.altloc == atom.altloc;
    let is_site = |name: &str| Site::of_atom(name).is_some();
    let is_unique = || {
        is_site(&atom.name)
            || !(is_amino_acid(&residue.name) || residue.atoms.iter().any(|a| is_site(&a.name)))
    };
    residue.atoms.iter().any(same) && is_unique()
}

/// For example `MSE A 44`.
pub(super) fn label(name: &str, letter: &str, number: &str, icode: &str) -> String {
    let parts = [name, letter, &format!("{number}{icode}")];
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}
