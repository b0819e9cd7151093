//! The residues of a model that are simulated: amino acids in chains. All others are left out.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::atoms::{Contents, Frame, Group, Segment};
use super::conformer::Conformer;
use super::log::{Log, count, refuse};
use super::mapping::{Mapping, Site};
use super::names::{AminoAcid, Known, NORLEUCINE, known, of_ambiguous};
use super::options::Options;
use crate::error::{Error, Result};
use crate::geometry::{separation, square};
use crate::io::force_field::known_names;

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
    let mut mapped: BTreeMap<&str, Vec<String>> = BTreeMap::new();
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
            if options.map.contains_key(conformer.name) && matches!(role, Role::AminoAcid(_)) {
                mapped.entry(conformer.name).or_default().push(label());
            }
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
        // Residues whose beads stand apart are in the order of their CA. Other residues are so
        // anyway.
        members.sort_by_key(|member: &Member| member.conformer.group.place());
        if !members.is_empty() {
            strands.push(Strand { segment, members, sequence });
        }
    }
    if !unknown.is_empty() {
        return Err(unknown_residues(&unknown, mapping));
    }
    for parent in AminoAcid::all() {
        let of_parent = modified.iter().filter(|(_, amino)| *amino == parent);
        let places = of_parent.map(|(label, _)| label.clone()).collect();
        log.warn("modified_residue", places, &format!(" read as {}", parent.name()));
    }
    for (name, amino) in &options.map {
        let amino = amino.name();
        match mapped.remove(&**name) {
            Some(places) => {
                let (n, places) = (places.len(), super::log::capped(places).join(", "));
                log.note(format!(
                    "{} read as {amino} by the map of names: {places}",
                    count(n, name)
                ));
            }
            None => {
                let text = " in the map of names: no residue that is taken has this name";
                log.warn("unused_map", vec![format!("{name}={amino}")], text);
            }
        }
    }
    if !caps.is_empty() {
        log.note(format!("caps left out: {}", super::log::capped(caps.clone()).join(", ")));
    }
    if !free.is_empty() {
        let places = super::log::capped(free.clone()).join(", ");
        log.note(format!(
            "left out, as no bond joins these residues of HETATM to a chain: {places}"
        ));
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
            (conformer, role(conformer, options, mapping))
        })
        .collect();
    // Other groups within a protein are unknown residues: those in its sequence, or, where the file
    // has no sequence, those that it numbers as parts of a polymer before an amino acid.
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
    for place in free(&roles, &sequence) {
        roles[place].1 = Role::Free;
    }
    roles
}

/// The residues that are ligands: those outside the polymer, where the file tells it, and HETATM
/// that no bond joins to a chain.
fn free(roles: &[(Conformer, Role)], sequence: &HashSet<&str>) -> Vec<usize> {
    let is_residue =
        |role: &Role| matches!(role, Role::AminoAcid(_) | Role::Modified(_) | Role::Unknown(_));
    let places: Vec<usize> =
        (0..roles.len()).filter(|place| is_residue(&roles[*place].1)).collect();
    let conformer = |k: usize| roles[places[k]].0;
    let is_bond = |k: usize| linked(conformer(k), conformer(k + 1));
    let is_linked: Vec<bool> = (0..places.len())
        .map(|k| (k > 0 && is_bond(k - 1)) || (k + 1 < places.len() && is_bond(k)))
        .collect();
    // A number in the polymer of a residue that is not in its sequence is only a label.
    let polymer = |k: usize| match conformer(k).group.polymer {
        Some(true) if !sequence.contains(conformer(k).name) => None,
        other => other,
    };
    let is_of_chain = |k: &usize| match polymer(*k) {
        Some(in_polymer) => in_polymer || is_linked[*k],
        None => !conformer(*k).group.het || is_linked[*k],
    };
    let of_chain: Vec<usize> = (0..places.len()).filter(is_of_chain).collect();
    let is_free = |k: &usize| {
        let role = roles[places[*k]].1;
        let at = of_chain.partition_point(|other| other < k);
        let between =
            at.checked_sub(1).and_then(|before| Some((of_chain[before], *of_chain.get(at)?)));
        match (polymer(*k), between) {
            (Some(in_polymer), _) => !in_polymer,
            // Between residues that are not bonded there is a break, in which this one can belong.
            (None, Some((before, after))) => linked(conformer(before), conformer(after)),
            // Modified residues are parts of chains. A sequence without this one tells that it is
            // none.
            (None, None) => match role {
                Role::AminoAcid(_) => true,
                _ if of_chain.is_empty() => true,
                Role::Modified(_) => !sequence.is_empty() && !sequence.contains(conformer(*k).name),
                _ => !sequence.contains(conformer(*k).name),
            },
        }
    };
    let others = (0..places.len()).filter(|k| !is_of_chain(k));
    others.filter(is_free).map(|k| places[k]).collect()
}

fn role(conformer: Conformer, options: &Options, mapping: Mapping) -> Role {
    let name = conformer.name;
    if let Some(amino) = options.map.get(name) {
        return Role::AminoAcid(*amino);
    }
    if mapping == Mapping::TorchMd && name == NORLEUCINE {
        // A modified residue as for other models, but with a bead type of its own, so without a
        // warning.
        return Role::Modified(AminoAcid::NLE);
    }
    match known(name) {
        Some(Known::AminoAcid(amino)) => Role::AminoAcid(amino),
        Some(Known::Modified(amino)) => Role::Modified(amino),
        Some(Known::Cap) => Role::Cap,
        Some(Known::Other) => Role::Other,
        Some(other) => Role::Unknown(Some(other)),
        None if !conformer.group.het && of_ambiguous(name).is_some() => {
            of_ambiguous(name).map_or(Role::Other, Role::AminoAcid)
        }
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

fn unknown_residues(
    unknown: &BTreeMap<&str, (Option<Known>, Vec<String>)>,
    mapping: Mapping,
) -> Error {
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
                    "{places}: modified {parent}; add {name}={parent} to the map of names to treat \
                     it as {parent}"
                )
            }
            Some(Known::Mirrored(mirror)) => format!(
                "{places}: D form of {mirror}; the priors are those of the L form; add \
                 {name}={mirror} to the map of names only if you know that this does no harm"
            ),
            _ => {
                format!(
                    "{places}: add {name}=ALA, or another of the 20, to the map of names to treat \
                     it as that"
                )
            }
        }
    };
    let is_are = if n == 1 { "is" } else { "are" };
    let n_known = if mapping == Mapping::TorchMd { 21 } else { 20 };
    let residues = count(n, "residue");
    let what = format!("{residues} {is_are} not among the {n_known} that the model knows");
    let all = format!("it knows {}", known_names());
    let remedies = if mapping == Mapping::TorchMd { &[&*all][..] } else { &[] };
    refuse("unknown_residue", what, unknown.iter().map(line).collect(), remedies)
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
