//! The atoms of the residues: those of the file, and those that are rebuilt.

use super::conformer::Conformer;
use super::log::{Log, count, refuse};
use super::mapping::{Mapping, SECOND_OXYGENS, Site};
use super::names::AminoAcid;
use super::options::Options;
use super::residue::{Chain, Position, Residue};
use super::select::{Member, Strand};
use crate::error::Result;
use crate::geometry::{combine, cross, separation, unit};

/// The chains with the atoms that are in the file.
///
/// # Errors
/// `missing_atom` if a bead has no atom and may not be rebuilt.
pub(super) fn fill(
    strands: &[Strand],
    options: &Options,
    mapping: Mapping,
    log: &mut Log,
) -> Result<Vec<Chain>> {
    let mut chains = Vec::new();
    let (mut n_alternate, mut competing) = (0, Vec::new());
    for Strand { segment, members, sequence } in strands {
        let letter = &segment.letter;
        let residues = members.iter().map(|member| {
            let (conformer, residue) = (member.conformer, residue(member));
            let others = conformer.other_names();
            n_alternate += usize::from(conformer.has_alternates());
            if !others.is_empty() {
                competing.push(format!("{} (not {})", residue.label(letter), others.join(", ")));
            }
            residue
        });
        let (letter, residues) = (letter.clone(), residues.collect());
        chains.push(Chain { letter, residues, sequence: sequence.clone() });
    }
    if n_alternate > 0 {
        let residues = count(n_alternate, "residue");
        log.note(format!("{residues} with alternate locations: the highest occupancy is taken"));
    }
    let text = ": one of several residues in this place is taken, that of the highest occupancy";
    log.warn("alternate_residue", competing, text);
    let may_be_rebuilt = |site| match site {
        Site::Cb => options.rebuild_cb,
        Site::O => options.rebuild_o,
        _ => false,
    };
    require(&chains, mapping, &may_be_rebuilt)?;
    Ok(chains)
}

fn residue(member: &Member) -> Residue {
    let conformer: Conformer = member.conformer;
    let group = conformer.group;
    let position = |atom: &super::atoms::Atom| Position {
        x: atom.position,
        line: atom.line,
        serial: atom.serial,
    };
    let mut remarks = Vec::new();
    if conformer.name != member.amino.name() {
        remarks.push(format!("read as {}", member.amino.name()));
    }
    if conformer.has_alternates() {
        remarks.push(format!("conformer {}", conformer.altloc));
    }
    let second = SECOND_OXYGENS.iter().find_map(|name| conformer.atom(name));
    let is_cysteine = member.amino.name() == "CYS";
    Residue {
        amino: member.amino,
        name: conformer.name.to_owned(),
        number: group.number.clone(),
        icode: group.icode.clone(),
        line: group.line,
        remarks,
        sites: Site::ALL.map(|site| conformer.site(site).map(position)),
        is_coarse: group.atoms.iter().all(|atom| Site::ALL.iter().any(|s| s.name() == atom.name)),
        second_oxygen: second.map(position),
        het: group.het,
        sulfur: if is_cysteine { group.sulfur() } else { None },
    }
}

/// Refuses chains in which a bead has no position, unless it may be rebuilt.
fn require(
    chains: &[Chain],
    mapping: Mapping,
    may_be_rebuilt: &dyn Fn(Site) -> bool,
) -> Result<()> {
    let (mut places, mut n_atoms) = (Vec::new(), 0);
    let mut only_ca = true;
    for chain in chains {
        for residue in &chain.residues {
            let n_sites = residue.sites.iter().flatten().count();
            only_ca &= n_sites == 1 && residue.position(Site::Ca).is_some();
            let lacks = |site: &Site| residue.position(*site).is_none() && !may_be_rebuilt(*site);
            let missing: Vec<Site> = mapping.sites(residue.amino).filter(lacks).collect();
            if missing.is_empty() {
                continue;
            }
            n_atoms += missing.len();
            let names: Vec<&str> = missing.iter().map(|site| site.name()).collect();
            let hint = match residue.second_oxygen {
                Some(_) if missing.contains(&Site::O) => "; only its second oxygen is there (OXT)",
                _ => "",
            };
            let (label, line) = (residue.label(&chain.letter), residue.line);
            places.push(format!("{label} (line {line}): {}{hint}", names.join(", ")));
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let what = format!("{} of {} absent", count(n_atoms, "atom"), {
        let residues = count(places.len(), "residue");
        format!("{residues} {}", if n_atoms == 1 { "is" } else { "are" })
    });
    if only_ca && mapping == Mapping::FiveBead {
        let remedy = "the file has CA atoms only; a model of the mapping ca can use it";
        return Err(refuse("missing_atom", what, places, &[remedy]));
    }
    let remedies = [
        "each of them is a bead of the model",
        "rebuild CB and O, or repair the file with PDBFixer, Modeller or others",
    ];
    Err(refuse("missing_atom", what, places, &remedies))
}

/// Places the CB and O that are missing. The chains end where the molecule does.
///
/// # Errors
/// `missing_atom` for an O that nothing determines.
pub(super) fn rebuild(
    chains: &mut [Chain],
    options: &Options,
    mapping: Mapping,
    log: &mut Log,
) -> Result<()> {
    let mut rebuilt = Vec::new();
    for chain in chains.iter_mut() {
        let next: Vec<Option<Position>> =
            chain.residues.iter().skip(1).map(|r| r.sites[0]).collect();
        for (r, residue) in chain.residues.iter_mut().enumerate() {
            let label = residue.label(&chain.letter);
            let mut place = |residue: &mut Residue, site: Site, x: [f64; 3]| {
                residue.sites[site as usize] = Some(Position { x, line: 0, serial: None });
                residue.remarks.push(format!("{} rebuilt", site.name()));
                rebuilt.push(format!("{} of {label}", site.name()));
            };
            let [n, ca, cb, c, o] = residue.sites.map(|site| site.map(|position| position.x));
            let needs = |site, has: bool| !has && mapping.has(site);
            if let (true, Some(n), Some(ca), Some(c)) = (options.rebuild_cb, n, ca, c)
                && needs(Site::Cb, cb.is_some())
                && residue.amino != AminoAcid::GLY
            {
                place(residue, Site::Cb, beta_carbon(n, ca, c));
            }
            // At the end of a chain the second oxygen is where the next N would be.
            let after = next.get(r).copied().flatten().or(residue.second_oxygen);
            if let (true, Some(ca), Some(c), Some(after)) = (options.rebuild_o, ca, c, after)
                && needs(Site::O, o.is_some())
            {
                place(residue, Site::O, oxygen(ca, c, after.x));
            }
        }
    }
    if !rebuilt.is_empty() {
        log.note(format!("rebuilt: {}", super::log::capped(rebuilt).join(", ")));
    }
    require(chains, mapping, &|_| false)
}

/// The CB of an L amino acid, 1.53 Å from the CA.
pub(super) fn beta_carbon(n: [f64; 3], ca: [f64; 3], c: [f64; 3]) -> [f64; 3] {
    let (b, c) = (separation(ca, n), separation(c, ca));
    let in_plane = combine(0.568_028_27, b, -0.540_674_66, c);
    combine(1.0, ca, 1.0, combine(-0.582_734_31, cross(b, c), 1.0, in_plane))
}

/// The O of a peptide bond, 1.231 Å from the C.
pub(super) fn oxygen(ca: [f64; 3], c: [f64; 3], next: [f64; 3]) -> [f64; 3] {
    let sum = combine(1.0, unit(separation(ca, c)), 1.0, unit(separation(next, c)));
    combine(1.0, c, -1.231, unit(sum))
}
