//! Checks of the geometry of the beads.

use super::log::{Log, count, refuse};
use super::mapping::{Layout, Mapping, Site};
use super::names::AminoAcid;
use super::residue::{Chain, Residue};
use super::topology::{is_pair, min_pair};
use crate::error::Result;
use crate::geometry::{dihedral, separation, square};
use crate::grid::Grid;

/// The lengths of bonds within a residue, Å.
const BONDS: std::ops::RangeInclusive<f64> = 1.0..=2.0;

/// A longer bond crosses the box, Å.
const WRAPPED: f64 = 5.0;

/// The CA of a cis peptide are nearer than this, Å: 2.9 instead of 3.8.
const CIS_STEP: f64 = 3.3;

/// Non-bonded beads that are nearer than this clash, Å.
const CLASH: f64 = 2.4;

/// Beads that are nearer than this are at one point, Å.
const ONE_POINT: f64 = 0.05;

/// A disulfide is shorter than this, Å.
const DISULFIDE: f64 = 2.5;

/// Refuses bonds of impossible lengths.
pub(super) fn bonds(chains: &[Chain], mapping: Mapping) -> Result<()> {
    let (mut places, mut longest) = (Vec::new(), 0.0_f64);
    let pairs =
        [(Site::N, Site::Ca), (Site::Ca, Site::Cb), (Site::Ca, Site::C), (Site::C, Site::O)];
    for chain in chains {
        for residue in &chain.residues {
            let is_bond = |(a, b): &(Site, Site)| {
                let mut sites = mapping.sites(residue.amino);
                sites.clone().any(|site| site == *a) && sites.any(|site| site == *b)
            };
            for (a, b) in pairs.into_iter().filter(is_bond) {
                let length = distance(residue, a, residue, b);
                if length.is_some_and(|length| !BONDS.contains(&length)) {
                    let length = length.unwrap_or_default();
                    longest = longest.max(length);
                    let (label, line) = (residue.label(&chain.letter), residue.line);
                    let atoms = format!("{}-{}", a.name(), b.name());
                    places.push(format!("{label} (line {line}): {atoms} {length:.2} A"));
                }
            }
        }
    }
    let bonds = match places.len() {
        0 => return Ok(()),
        1 => "1 bond is".to_owned(),
        n => format!("{n} bonds are"),
    };
    let what = format!("{bonds} shorter than 1.0 A or longer than 2.0 A");
    Err(match longest > WRAPPED {
        true => {
            let remedy = "is the molecule wrapped across the box? make it whole first";
            refuse("wrapped", what, places, &[remedy])
        }
        false => refuse("bond_length", what, places, &["repair or minimise the structure first"]),
    })
}

fn distance(first: &Residue, a: Site, second: &Residue, b: Site) -> Option<f64> {
    Some(square(separation(first.position(a)?, second.position(b)?)).sqrt())
}

/// Warns of residues of the wrong handedness, and of cis peptides that are not before proline.
pub(super) fn stereo(chains: &[Chain], mapping: Mapping, log: &mut Log) {
    match mapping {
        Mapping::FiveBead => {}
        Mapping::Ca => return,
        Mapping::TorchMd => return short_steps(chains, log),
    }
    let angle = |sites: [Option<[f64; 3]>; 4]| {
        let [a, b, c, d] = sites;
        Some(dihedral([a?, b?, c?, d?], f64::atan2).0)
    };
    let (mut mirrored, mut cis, mut cis_proline) = (Vec::new(), Vec::new(), 0);
    for chain in chains {
        for residue in chain.residues.iter().filter(|residue| residue.amino != AminoAcid::GLY) {
            let sites = [Site::N, Site::Cb, Site::C, Site::Ca].map(|site| residue.position(site));
            if angle(sites).is_some_and(|gamma| gamma <= 0.0) {
                mirrored.push(residue.label(&chain.letter));
            }
        }
        for pair in chain.residues.windows(2) {
            let [before, after] = [&pair[0], &pair[1]];
            let sites = [
                before.position(Site::Ca),
                before.position(Site::C),
                after.position(Site::N),
                after.position(Site::Ca),
            ];
            if angle(sites).is_some_and(|omega| omega.abs() <= std::f64::consts::FRAC_PI_2) {
                if after.amino == AminoAcid::PRO {
                    cis_proline += 1;
                } else {
                    let (before, after) = (before.label(&chain.letter), after.short_label());
                    cis.push(format!("{before} - {after}"));
                }
            }
        }
    }
    let text = ": CB is on the side of a D amino acid (gamma_1 is negative)";
    log.warn("chirality", mirrored, text);
    log.warn("cis_peptide", cis, ": cis; the prior costs about 37 kcal/mol there");
    if cis_proline > 0 {
        log.note(format!("{} before proline", count(cis_proline, "cis peptide")));
    }
}

/// Warns of residues in a row that are too near to each other for a force field with one length of
/// bonds.
fn short_steps(chains: &[Chain], log: &mut Log) {
    let of_chain = |chain: &Chain| {
        let is_short = |pair: &&[Residue]| {
            distance(&pair[0], Site::Ca, &pair[1], Site::Ca).is_some_and(|step| step < CIS_STEP)
        };
        let label = |pair: &[Residue]| {
            format!("{} - {}", pair[0].label(&chain.letter), pair[1].short_label())
        };
        chain.residues.windows(2).filter(is_short).map(label).collect::<Vec<_>>()
    };
    let text =
        ": cis by the distance of CA; the bonds of the force field are those of trans peptides";
    log.warn("cis_peptide", chains.iter().flat_map(of_chain).collect(), text);
}

/// Notes what the model does not represent.
pub(super) fn scope(chains: &[Chain], log: &mut Log) {
    let sulfurs: Vec<[f64; 3]> =
        chains.iter().flat_map(|chain| &chain.residues).filter_map(|r| r.sulfur).collect();
    let near = |(k, a): (usize, &[f64; 3])| {
        let partners = sulfurs[k + 1..].iter();
        partners.filter(|b| square(separation(*a, **b)) < DISULFIDE * DISULFIDE).count()
    };
    let disulfides: usize = sulfurs.iter().enumerate().map(near).sum();
    if disulfides > 0 {
        let bonds = count(disulfides, "disulfide bond");
        log.note(format!("{bonds} not represented: the beads are not connected there"));
    }
}

/// Refuses beads at one point, and warns of non-bonded beads that are too near to each other.
pub(super) fn clashes(
    layout: &Layout,
    positions: &[[f64; 3]],
    name: &dyn Fn(u32) -> String,
    log: &mut Log,
) -> Result<()> {
    let mut grid = Grid::new(CLASH);
    let (mut nearest, mut n_clashes) = ((f64::INFINITY, 0, 0), 0_u64);
    let mut one_point = Vec::new();
    let min_pair = min_pair(layout.mapping);
    for (bead, x) in positions.iter().enumerate() {
        let bead = bead as u32;
        for other in grid.near(*x) {
            let d = square(separation(positions[other as usize], *x)).sqrt();
            if d < ONE_POINT {
                one_point.push(format!("{} and {}", name(other), name(bead)));
            }
            if d < CLASH && is_pair(layout, other, bead, min_pair) {
                n_clashes += 1;
                if d < nearest.0 {
                    nearest = (d, other, bead);
                }
            }
        }
        grid.insert(bead, *x);
        if one_point.len() > 100 {
            break;
        }
    }
    if !one_point.is_empty() {
        let what = "beads are at one point, where their energy is not defined";
        return Err(refuse("overlap", what, one_point, &["are there two copies of a molecule?"]));
    }
    if n_clashes > 0 {
        let (d, first, second) = nearest;
        let pairs = count(n_clashes as usize, "non-bonded pair");
        let place = format!("{} and {} at {d:.2} A", name(first), name(second));
        let text = format!("; {pairs} nearer than {CLASH} A: relax the structure first");
        log.warn("clash", vec![place], &text);
    }
    Ok(())
}
