//! The bonds between residues: where a chain is broken, and what is missing there.

use std::ops::Range;

use super::log::{Log, count, refuse};
use super::mapping::{Mapping, Site};
use super::names::{Known, known};
use super::options::{Breaks, Options};
use super::residue::{Chain, Residue};
use crate::error::Result;
use crate::geometry::{separation, square};

/// A longer bond from C to N is a break, Å.
const LONGEST_BOND: f64 = 2.0;

/// The distances of two CA in a row, Å, of cis and trans peptides.
const CA_STEP: Range<f64> = 2.4..4.5;

/// Splits chains where they are broken.
///
/// # Errors
/// `chain_break` unless the options allow breaks.
pub(super) fn split(
    chains: Vec<Chain>,
    options: &Options,
    mapping: Mapping,
    log: &mut Log,
) -> Result<Vec<Chain>> {
    let breaks: Vec<Vec<usize>> = chains.iter().map(|chain| breaks(chain, mapping)).collect();
    let mut all = Vec::new();
    for (chain, breaks) in chains.iter().zip(&breaks) {
        let placed = placed(chain, breaks);
        let missing = |k: usize| {
            let placed = placed.as_ref()?;
            chain.sequence.get(placed[k].end..placed[k + 1].start)
        };
        let of_break = |(k, at): (usize, &usize)| describe(chain, *at, missing(k), mapping);
        all.extend(breaks.iter().enumerate().map(of_break));
        log.notes.extend(placed.and_then(|placed| ends(chain, &placed)));
    }
    if all.is_empty() {
        return Ok(chains);
    }
    match options.breaks {
        Breaks::Refuse => {
            let what = match all.len() {
                1 => return Err(refuse("chain_break", all[0].clone(), Vec::new(), &REMEDIES)),
                n => format!("chains are broken in {n} places"),
            };
            Err(refuse("chain_break", what, all, &REMEDIES))
        }
        Breaks::Bond => {
            let bonded = count(all.len(), "break");
            log.note(format!("{bonded} bonded: {}", super::log::capped(all).join("; ")));
            Ok(chains)
        }
        Breaks::Split => {
            let split = count(all.len(), "break");
            log.note(format!("chains split at {split}: {}", super::log::capped(all).join("; ")));
            Ok(chains.into_iter().zip(breaks).flat_map(|(chain, at)| parts(chain, &at)).collect())
        }
    }
}

const REMEDIES: [&str; 2] = [
    "the force field would pull the ends together with a bond",
    "model the loop, or split the chains at their breaks",
];

/// The residues that no bond joins to the one before.
fn breaks(chain: &Chain, mapping: Mapping) -> Vec<usize> {
    let is_broken = |r: &usize| match mapping {
        Mapping::FiveBead => gap(chain, *r, mapping).is_none_or(|distance| distance > LONGEST_BOND),
        Mapping::Ca | Mapping::TorchMd => {
            gap(chain, *r, mapping).is_none_or(|step| !CA_STEP.contains(&step))
        }
    };
    (1..chain.residues.len()).filter(is_broken).collect()
}

/// The distance of the atoms that join a residue to the one before, Å.
fn gap(chain: &Chain, r: usize, mapping: Mapping) -> Option<f64> {
    let (first, second) = match mapping {
        Mapping::FiveBead => (Site::C, Site::N),
        Mapping::Ca | Mapping::TorchMd => (Site::Ca, Site::Ca),
    };
    let (a, b) = (chain.residues[r - 1].position(first)?, chain.residues[r].position(second)?);
    Some(square(separation(a, b)).sqrt())
}

/// For example `chain A is broken between GLN 137 and MET 154 (line 9; C-N 19.3 A, 16 residues
/// missing)`.
fn describe(chain: &Chain, at: usize, missing: Option<&[String]>, mapping: Mapping) -> String {
    /// Names of residues that a message shows.
    const MOST_NAMES: usize = 30;
    let (before, after) = (&chain.residues[at - 1], &chain.residues[at]);
    let atoms = if mapping == Mapping::FiveBead { "C-N" } else { "CA-CA" };
    let distance = gap(chain, at, mapping).unwrap_or(f64::NAN);
    let missing = missing.filter(|names| !names.is_empty());
    let about = match (missing, numbers_between(before, after)) {
        (Some(names), _) => {
            let more = if names.len() > MOST_NAMES { " ..." } else { "" };
            let shown = names[..names.len().min(MOST_NAMES)].join(" ");
            format!(", {} missing: {shown}{more}", count(names.len(), "residue"))
        }
        (None, Some(0)) if distance > 5.0 => {
            ", no number missing: a molecule that is wrapped across \
             the box must be made whole first, and another molecule needs a chain letter or TER"
                .to_owned()
        }
        (None, Some(n)) if n > 0 => format!(", {} missing", count(n, "residue")),
        _ => String::new(),
    };
    let ligand = match (at == 1 && before.het, at + 1 == chain.residues.len() && after.het) {
        (true, _) => Some(before),
        (_, true) => Some(after),
        _ => None,
    };
    let ligand = ligand.map_or(String::new(), |residue| {
        format!("; {} is HETATM and may be a ligand: then remove it", residue.short_label())
    });
    let (chain, line) = (chain.title(), after.line);
    let (before, after) = (before.short_label(), after.short_label());
    format!(
        "{chain} is broken between {before} and {after} (line {line}; {atoms} {distance:.1} \
         A{about}{ligand})"
    )
}

/// The numbers that are missing between two residues; `None` if they do not ascend.
fn numbers_between(before: &Residue, after: &Residue) -> Option<usize> {
    let number = |residue: &Residue| residue.number.parse::<i64>().ok();
    let step = number(after)?.checked_sub(number(before)?)?;
    usize::try_from(step.checked_sub(1)?).ok()
}

/// The places of the parts of a chain in its sequence, if the file has it and all parts are found.
fn placed(chain: &Chain, breaks: &[usize]) -> Option<Vec<Range<usize>>> {
    let ends: Vec<usize> =
        [0].iter().chain(breaks).chain([&chain.residues.len()]).copied().collect();
    let mut placed: Vec<Range<usize>> = Vec::new();
    for range in ends.windows(2) {
        let part = &chain.residues[range[0]..range[1]];
        let from = placed.last().map_or(0, |last| last.end);
        let rest = chain.sequence.get(from..)?;
        let is_here = |window: &[String]| window.iter().zip(part).all(|(name, r)| *name == r.name);
        let start = from + rest.windows(part.len().max(1)).position(is_here)?;
        placed.push(start..start + part.len());
    }
    Some(placed)
}

/// A note about the residues of the sequence before and after those with coordinates.
fn ends(chain: &Chain, placed: &[Range<usize>]) -> Option<String> {
    let is_residue = |name: &&String| known(name) != Some(Known::Cap);
    let n_residues = |names: &[String]| names.iter().filter(is_residue).count();
    let before = n_residues(&chain.sequence[..placed.first()?.start]);
    let after = n_residues(&chain.sequence[placed.last()?.end..]);
    let of = |n: usize, end: &str| (n > 0).then(|| format!("{} at its {end}", count(n, "residue")));
    let parts: Vec<String> = of(before, "start").into_iter().chain(of(after, "end")).collect();
    let text = format!("{} has no coordinates for {}", chain.title(), parts.join(" and "));
    (!parts.is_empty()).then_some(text)
}

/// The parts of a chain that begin at its start and at the given residues.
fn parts(mut chain: Chain, at: &[usize]) -> Vec<Chain> {
    let mut parts = Vec::new();
    for start in at.iter().rev() {
        let residues = chain.residues.split_off(*start);
        let (letter, sequence) = (chain.letter.clone(), chain.sequence.clone());
        parts.push(Chain { letter, residues, sequence });
    }
    parts.push(chain);
    parts.reverse();
    parts
}
