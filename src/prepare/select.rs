//! The residues of a model that are simulated: amino acids in chains. All others are left out.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::atoms::{Contents, Frame, Group, Segment};
use super::conformer::Conformer;
use super::log::{Log, count, refuse};
use super::mapping::{Mapping, Site};
use super::names::{AminoAcid, Known, known};
use super::options::Options;
use crate::error::{Error, Result};
use crate::geometry::{separation, square};

/// A residue of a chain with its conformer.
pub(super) struct Member<'a> {
    pub(super) conformer: Conformer<'a>,
    pub(super) amino: AminoAcid,
}

/// A chain before its breaks are known.
pub(super) struct Strand<'a> {
    pub(super) segment: &'a Segment,
    pub(super) members: Vec<Member<'a>>,
    pub(super) sequence: Vec<String>,
}

/// The role of a group of atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    AminoAcid(AminoAcid),
    Modified(AminoAcid),
    /// An amino acid that the models do not know.
    Unknown(Option<Known>),
    Cap,
    /// A free amino acid.
    Free,
    Other,
}

/// Chooses the chains of a model, and the amino acids in them.
pub(super) fn select<'a>(
    frame: &'a Frame,
    contents: &Contents,
    options: &Options,
    mapping: Mapping,
    log: &mut Log,
) -> Result<Vec<Strand<'a>>> {
    let mut strands = Vec::new();
    let mut unknown: BTreeMap<&str, (Option<Known>, Vec<String>)> = BTreeMap::new();
    let (mut modified, mut caps, mut free) = (Vec::new(), Vec::new(), Vec::new());
    let mut present = BTreeSet::new();
    let segments = chosen(frame, options)?;
    for segment in segments {
        let sequence = contents.sequences.get(&segment.sequence).cloned().unwrap_or_default();
        let roles = roles(segment, &sequence, options, mapping);
        let mut members = Vec::new();
        for (conformer, role) in roles {
            let label = || {
                let group = conformer.group;
                super::atoms::label(conformer.name, &segment.letter, &group.number, &group.icode)
            };
            match role {
                Role::AminoAcid(amino) => members.push(Member { conformer, amino }),
                Role::Modified(amino) => {
                    modified.push((label(), amino));
                    members.push(Member { conformer, amino });
                }
                Role::Unknown(known) => {
                    let place = format!("{} (line {})", label(), conformer.group.line);
                    unknown.entry(conformer.name).or_insert((known, Vec::new())).1.push(place);
                }
                Role::Cap => caps.push(label()),
                Role::Free => free.push(label()),
                Role::Other => {
                    log.drop(conformer.name);
                    present.insert(conformer.name);
                }
            }
        }
        // Residues whose beads stand apart are in the order of their CA. Other residues are so anyway.
        members.sort_by_key(|member: &Member| member.conformer.group.place());
        if !members.is_empty() {
            strands.push(Strand { segment, members, sequence });
        }
    }
    if !unknown.is_empty() {
        return Err(unknown_residues(&unknown));
    }
    for parent in AminoAcid::all() {
        let of_parent = modified.iter().filter(|(_, amino)| *amino == parent);
        let places = of_parent.map(|(label, _)| label.clone()).collect();
        log.warn("modified_residue", places, &format!(" read as {}", parent.name()));
    }
    if !caps.is_empty() {
        log.note(format!("caps left out: {}", super::log::capped(caps.clone()).join(", ")));
    }
    if !free.is_empty() {
        let places = super::log::capped(free.clone()).join(", ");
        log.note(format!("free amino acids, which no bond joins to a chain, left out: {places}"));
    }
    if strands.is_empty() {
        let mut names: Vec<&str> = present.into_iter().take(10).collect();
        names.extend((!caps.is_empty()).then_some("caps"));
        names.extend((!free.is_empty()).then_some("free amino acids"));
        let what = format!("no protein, only {}", names.join(", "));
        return Err(refuse("no_protein", what, Vec::new(), &["there is nothing to simulate"]));
    }
    Ok(strands)
}

/// The segments of the chains that were asked for.
fn chosen<'a>(frame: &'a Frame, options: &Options) -> Result<Vec<&'a Segment>> {
    if options.chains.is_empty() {
        return Ok(frame.segments.iter().collect());
    }
    // `_` stands for a chain without a letter.
    let wanted = |letter: &str| {
        let is = |wanted: &String| wanted == letter || (letter.is_empty() && wanted == "_");
        options.chains.iter().any(is)
    };
    let letters: BTreeSet<&str> = frame.segments.iter().map(|s| s.letter.as_str()).collect();
    let labels: BTreeSet<&str> = frame.segments.iter().map(|s| s.label.as_str()).collect();
    for chain in &options.chains {
        let name = if chain == "_" { "" } else { chain };
        if !letters.contains(name) && !labels.contains(name) {
            let all: Vec<_> =
                letters.iter().map(|letter| if letter.is_empty() { "_" } else { letter }).collect();
            let found = format!("chains {}", all.join(", "));
            return Err(Error::invalid(format!("chain {chain}"), found, "one of these chains"));
        }
    }
    // The letters of the author come first; those of mmCIF are for files that reuse letters.
    let is_chosen = |segment: &&Segment| {
        wanted(&segment.letter)
            || (!letters.contains(segment.label.as_str()) && wanted(&segment.label))
    };
    Ok(frame.segments.iter().filter(is_chosen).collect())
}

/// The conformer and the role of each group of a segment.
fn roles<'a>(
    segment: &'a Segment,
    sequence: &[String],
    options: &Options,
    mapping: Mapping,
) -> Vec<(Conformer<'a>, Role)> {
    let sequence: HashSet<&str> = sequence.iter().map(String::as_str).collect();
    let mut roles: Vec<(Conformer, Role)> = segment
        .residues
        .iter()
        .map(|group| {
            let conformer = Conformer::choose(group, mapping);
            (conformer, role(conformer, options))
        })
        .collect();
    // Other groups within a protein are unknown residues: those in its sequence, or, where the file has
    // no sequence, those that it numbers as parts of a polymer before an amino acid.
    let last_amino = roles.iter().rposition(|(_, role)| matches!(role, Role::AminoAcid(_)));
    for (place, (conformer, role)) in roles.iter_mut().enumerate() {
        let polymer = conformer.group.polymer;
        let is_inside = match sequence.is_empty() {
            true => polymer == Some(true) && last_amino.is_some_and(|last| place < last),
            false => polymer != Some(false) && sequence.contains(conformer.name),
        };
        let is_other = *role == Role::Other && known(conformer.name).is_none();
        if is_other && is_inside && last_amino.is_some() {
            *role = Role::Unknown(None);
        }
    }
    let is_residue =
        |role: &Role| matches!(role, Role::AminoAcid(_) | Role::Modified(_) | Role::Unknown(_));
    let places: Vec<usize> =
        (0..roles.len()).filter(|place| is_residue(&roles[*place].1)).collect();
    let last_atom = places.iter().rposition(|place| !roles[*place].0.group.het);
    let mut free = Vec::new();
    for (k, place) in places.iter().enumerate() {
        let (conformer, role) = &roles[*place];
        let group = conformer.group;
        let neighbor = |other: Option<&usize>| other.map(|other| roles[*other].0);
        let before = neighbor(k.checked_sub(1).and_then(|k| places.get(k)));
        let after = neighbor(places.get(k + 1));
        let is_linked = before.is_some_and(|before| linked(before, *conformer))
            || after.is_some_and(|after| linked(*conformer, after));
        let at_end = last_atom.is_none_or(|last| k > last);
        // Selenomethionine is a part of chains.
        let can_be_free = !matches!(role, Role::Modified(_)) || last_atom.is_none();
        let is_free = match group.polymer {
            Some(in_polymer) => !in_polymer && !is_linked,
            None => group.het && at_end && !is_linked && can_be_free,
        };
        if is_free {
            free.push(*place);
        }
    }
    for place in free {
        roles[place].1 = Role::Free;
    }
    roles
}

fn role(conformer: Conformer, options: &Options) -> Role {
    let name = conformer.name;
    if let Some(amino) = options.map.get(name) {
        return Role::AminoAcid(*amino);
    }
    match known(name) {
        Some(Known::AminoAcid(amino)) => Role::AminoAcid(amino),
        Some(Known::Modified(amino)) => Role::Modified(amino),
        Some(Known::Cap) => Role::Cap,
        Some(Known::Other) => Role::Other,
        Some(other) => Role::Unknown(Some(other)),
        None if is_like_amino_acid(conformer) => Role::Unknown(None),
        None => Role::Other,
    }
}

/// Whether a group of an unknown name has the backbone of an amino acid.
fn is_like_amino_acid(conformer: Conformer) -> bool {
    let has = |site| conformer.site(site).is_some();
    let backbone = [Site::N, Site::C, Site::O, Site::Cb].into_iter().any(has);
    // A calcium ion is an atom CA in a group of one atom.
    let alone = !conformer.group.het && !["CA", "CAL", "CA2"].contains(&conformer.name);
    has(Site::Ca) && (backbone || alone)
}

/// Whether the C of one residue is bonded to the N of the next. Without these atoms the distance of
/// the CA decides.
fn linked(first: Conformer, second: Conformer) -> bool {
    let distance = |a: Site, b: Site| {
        let (a, b) = (first.site(a)?, second.site(b)?);
        Some(square(separation(a.position, b.position)).sqrt())
    };
    match distance(Site::C, Site::N) {
        Some(bond) => bond < 2.5,
        None => distance(Site::Ca, Site::Ca).is_some_and(|step| step < 4.5),
    }
}

fn unknown_residues(unknown: &BTreeMap<&str, (Option<Known>, Vec<String>)>) -> Error {
    /// Places of one name that the message lists.
    const MOST_PLACES: usize = 5;
    let n: usize = unknown.values().map(|(_, places)| places.len()).sum();
    let line = |(name, (known, places)): (&&str, &(Option<Known>, Vec<String>))| {
        let more = if places.len() > MOST_PLACES { ", ..." } else { "" };
        let shown = places[..places.len().min(MOST_PLACES)].join(", ");
        let places = format!("{shown}{more}");
        match known {
            Some(Known::Foreign(parent)) => {
                format!(
                    "{places}: modified {parent}; use --map {name}={parent} to treat it as {parent}"
                )
            }
            Some(Known::Mirrored(mirror)) => format!(
                "{places}: D form of {mirror}; the priors are those of the L form; use --map \
                 {name}={mirror} only if you know that this does no harm"
            ),
            _ => {
                format!("{places}: use --map {name}=ALA, or another of the 20, to treat it as that")
            }
        }
    };
    let is_are = if n == 1 { "is" } else { "are" };
    let what = format!("{} {is_are} not among the 20 that the model knows", count(n, "residue"));
    refuse("unknown_residue", what, unknown.iter().map(line).collect(), &[])
}

impl Group {
    /// The line that stands for the place of a residue in its chain: that of its first CA.
    fn place(&self) -> usize {
        let ca = self.atoms.iter().filter(|atom| atom.name == Site::Ca.name());
        ca.map(|atom| atom.line).min().unwrap_or(self.line)
    }

    /// The position of the SG of a cysteine.
    pub(super) fn sulfur(&self) -> Option<[f64; 3]> {
        self.atoms.iter().find(|atom| atom.name == "SG").map(|atom| atom.position)
    }
}
