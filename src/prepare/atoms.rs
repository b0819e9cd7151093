//! The atoms of a structure file: models, chains, residues and atoms in the order of the file.

use std::collections::{BTreeMap, HashMap};

use crate::error::is_control;

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
    open: bool,
    /// Whether the open model is one that was asked for.
    taken: bool,
    /// Whether the next atom starts a chain.
    ended: bool,
    /// The residues of the open chain.
    places: HashMap<Key, usize>,
    last: Key,
}

impl Builder {
    pub(super) fn new(choice: &ModelChoice) -> Self {
        Builder {
            choice: choice.clone(),
            contents: Contents::default(),
            open: false,
            taken: false,
            ended: true,
            places: HashMap::new(),
            last: Key::default(),
        }
    }

    pub(super) fn finish(self) -> Contents {
        self.contents
    }

    pub(super) fn note(&mut self, note: &str) {
        self.contents.notes.push(note.to_owned());
    }

    pub(super) fn sequence(&mut self, key: &str, name: &str) {
        self.contents.sequences.entry(clean(key)).or_default().push(clean(name));
    }

    pub(super) fn start_model(&mut self, number: &str) {
        let first = self.contents.numbers.is_empty();
        let number = clean(number);
        self.contents.numbers.push(number.clone());
        self.taken = match &self.choice {
            ModelChoice::First => first,
            ModelChoice::Number(wanted) => *wanted == number,
            ModelChoice::All => true,
        };
        if self.taken {
            self.contents.frames.push(Frame { number, segments: Vec::new() });
        }
        (self.open, self.ended) = (true, true);
    }

    pub(super) fn end_model(&mut self) {
        self.open = false;
    }

    pub(super) fn end_chain(&mut self) {
        self.ended = true;
    }

    pub(super) fn add(&mut self, row: &Row) {
        if !self.open {
            let number = (self.contents.numbers.len() + 1).to_string();
            self.start_model(&number);
        }
        let frame = match self.contents.frames.last_mut() {
            Some(frame) if self.taken => frame,
            _ => return,
        };
        let same = |segment: &Segment| segment.label == row.label && segment.letter == row.letter;
        if self.ended || !frame.segments.last().is_some_and(same) {
            frame.segments.push(Segment {
                letter: clean(row.letter),
                label: clean(row.label),
                sequence: clean(row.sequence),
                residues: Vec::new(),
            });
            self.places.clear();
            self.ended = false;
        }
        let Some(segment) = frame.segments.last_mut() else { return };
        let atom = Atom {
            name: clean(row.name),
            altloc: clean(row.altloc),
            residue: clean(row.residue),
            position: row.position,
            occupancy: row.occupancy,
            line: row.line,
        };
        let polymer = row.polymer.unwrap_or_default();
        let is_last =
            self.last.0 == row.number && self.last.1 == row.icode && self.last.2 == polymer;
        let known = match is_last && !segment.residues.is_empty() {
            true => Some(segment.residues.len() - 1),
            // The beads of a residue can stand apart, for example in a file that is sorted by names.
            false => {
                self.last = (row.number.to_owned(), row.icode.to_owned(), polymer.to_owned());
                self.places.get(&self.last).copied()
            }
        };
        if let Some(residue) = known.and_then(|place| segment.residues.get_mut(place))
            && accepts(residue, &atom)
        {
            residue.het &= row.het;
            residue.atoms.push(atom);
            // The next atom of this residue is found by its key.
            if known != Some(segment.residues.len() - 1) {
                self.last = Key::default();
            }
            return;
        }
        self.places.insert(self.last.clone(), segment.residues.len());
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

/// Whether an atom with the label of a residue is part of it. A second atom of the same name begins
/// another residue with the same label. Residues of other names are part of it if they are alternate
/// locations.
fn accepts(residue: &Group, atom: &Atom) -> bool {
    let is_other = |other: &Atom| other.name != atom.name || other.altloc != atom.altloc;
    let is_alternate =
        || !atom.altloc.is_empty() && residue.atoms.iter().any(|other| !other.altloc.is_empty());
    residue.atoms.len() < MOST_ATOMS
        && (residue.name == atom.residue || is_alternate())
        && residue.atoms.iter().all(is_other)
}

/// For example `MSE A 44`.
pub(super) fn label(name: &str, letter: &str, number: &str, icode: &str) -> String {
    let parts = [name, letter, &format!("{number}{icode}")];
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}
