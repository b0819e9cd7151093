//! The bonds between residues: where a chain is broken, and what is missing there.

use super::log::Log;
use super::log::{count, refuse};
use super::mapping::{Mapping, Site};
use super::residue::{Chain, Residue};
use super::{Breaks, Options};
use crate::error::Result;
use crate::geometry::{separation, square};

/// A longer bond from C to N is a break, Å.
const LONGEST_BOND: f64 = 2.0;

/// The distances of two CA in a row, Å, of cis and trans peptides.
const CA_STEP: std::ops::Range<f64> = 2.4..4.5;

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
    let places = |chain: &Chain, of_chain: &[usize]| {
        let of_break = |k: usize| describe(chain, of_chain, k, mapping);
        (0..of_chain.len()).map(of_break).collect::<Vec<_>>()
    };
    let all: Vec<String> =
        chains.iter().zip(&breaks).flat_map(|(chain, of_chain)| places(chain, of_chain)).collect();
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
    "model the loop, or pass --breaks split to simulate separate chains",
];

/// The residues that no bond joins to the one before.
fn breaks(chain: &Chain, mapping: Mapping) -> Vec<usize> {
    let is_broken = |r: &usize| match mapping {
        Mapping::FiveBead => gap(chain, *r, mapping).is_none_or(|distance| distance > LONGEST_BOND),
        Mapping::Ca => gap(chain, *r, mapping).is_none_or(|step| !CA_STEP.contains(&step)),
    };
    (1..chain.residues.len()).filter(is_broken).collect()
}

/// The distance of the atoms that join a residue to the one before, Å.
fn gap(chain: &Chain, r: usize, mapping: Mapping) -> Option<f64> {
    let (first, second) = match mapping {
        Mapping::FiveBead => (Site::C, Site::N),
        Mapping::Ca => (Site::Ca, Site::Ca),
    };
    let (a, b) = (chain.residues[r - 1].position(first)?, chain.residues[r].position(second)?);
    Some(square(separation(a, b)).sqrt())
}

/// For example `chain A is broken between GLN 137 and MET 154 (C-N 19.3 A, 16 residues missing)`.
fn describe(chain: &Chain, breaks: &[usize], k: usize, mapping: Mapping) -> String {
    let at = breaks[k];
    let (before, after) = (&chain.residues[at - 1], &chain.residues[at]);
    let atoms = if mapping == Mapping::Ca { "CA-CA" } else { "C-N" };
    let distance = gap(chain, at, mapping).unwrap_or(f64::NAN);
    let mut text = format!(
        "{} is broken between {} and {} ({atoms} {distance:.1} A",
        chain.title(),
        before.short_label(),
        after.short_label(),
    );
    match missing(chain, breaks, k) {
        Some(names) if !names.is_empty() => {
            let n = count(names.len(), "residue");
            let shown = if names.len() > 30 {
                format!("{} ...", names[..30].join(" "))
            } else {
                names.join(" ")
            };
            text += &format!(", {n} missing: {shown})");
        }
        _ => match numbers_between(before, after) {
            Some(0) if distance > 5.0 => {
                text += ", no number missing: a molecule that is wrapped across the box must be made \
                         whole first, and another molecule needs a chain letter or TER)";
            }
            Some(n) if n > 0 => text += &format!(", {} missing)", count(n, "residue")),
            _ => text += ")",
        },
    }
    text
}

/// The numbers that are missing between two residues; `None` if they do not ascend.
fn numbers_between(before: &Residue, after: &Residue) -> Option<usize> {
    let number = |residue: &Residue| residue.number.parse::<i64>().ok();
    let step = number(after)?.checked_sub(number(before)?)?;
    usize::try_from(step - 1).ok()
}

/// The names of the residues that are missing at a break, if the file has the sequence of the chain
/// and the parts of the chain are found in it.
fn missing(chain: &Chain, breaks: &[usize], k: usize) -> Option<Vec<String>> {
    let ends: Vec<usize> =
        [0].iter().chain(breaks).chain([&chain.residues.len()]).copied().collect();
    let mut from = 0;
    let mut end_before = 0;
    for (part, range) in ends.windows(2).enumerate().take(k + 2) {
        let names: Vec<&str> =
            chain.residues[range[0]..range[1]].iter().map(|r| r.name.as_str()).collect();
        let start = from
            + chain
                .sequence
                .get(from..)?
                .windows(names.len())
                .position(|window| window == names)?;
        if part == k + 1 {
            return Some(chain.sequence[end_before..start].to_vec());
        }
        (from, end_before) = (start + names.len(), start + names.len());
    }
    None
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
