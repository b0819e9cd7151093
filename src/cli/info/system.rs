//! `flashschnet info --structures`: a system in numbers.

use std::io::Write;

use crate::diagnose::overview::{ListOverview, Overview};
use crate::engine::{Evaluation, Precision, Terms};
use crate::largest::largest_by;
use crate::model::Model;
use crate::potential::{Potential, Request, Scores};
use crate::structure::{Structure, molecules};
use crate::system::System;

use crate::cli::backend::{BackendName, PlaceOptions};
use crate::cli::inputs::InputOptions;
use crate::cli::tell;

/// The most structures that are described one by one.
const MOST: usize = 20;

/// Prints the molecules and the structures of the inputs.
pub(super) fn print(inputs: &InputOptions, place: &PlaceOptions) -> anyhow::Result<()> {
    let (model, structures) = match inputs.is_given() {
        true => {
            let inputs = inputs.load()?;
            (Some(inputs.model), inputs.structures)
        }
        false => (None, inputs.structures_alone()?),
    };
    let mut out = tell::stdout();
    let plural = if structures.len() == 1 { "" } else { "s" };
    writeln!(out, "{}: {} structure{plural}", inputs.source(), structures.len())?;
    let system = model.as_ref().map(|model| System::new(model, &structures)).transpose()?;
    let backend = match &system {
        Some(_) => Some(place.finish(place.open_or(BackendName::Cpu)?, Precision::F32)?),
        None => None,
    };
    let of_system = system.zip(backend);
    let mut potential = of_system.map(|(system, backend)| Potential::of_system(system, backend));
    let mut seen: Vec<Overview> = Vec::new();
    for (s, (structure, number)) in structures.iter().zip(molecules(&structures)).enumerate() {
        if s == MOST {
            writeln!(out, "{} more structures", structures.len() - MOST)?;
            break;
        }
        // Molecules are numbered in the order of their first structures.
        let is_new = number == seen.len();
        if is_new {
            let molecule = potential.as_ref().map(|potential| potential.system().molecule(s));
            let overview = Overview::new(&structure.topology, model.as_ref().zip(molecule));
            print_molecule(&mut out, number, &overview)?;
            seen.push(overview);
        }
        print_structure(&mut out, (s, structure), (number, &seen[number]), model.as_ref())?;
        if let Some(potential) = &mut potential {
            print_energies(&mut out, potential, (s, structure), is_new)?;
        }
    }
    Ok(())
}

fn print_molecule(out: &mut impl Write, number: usize, of: &Overview) -> std::io::Result<()> {
    let (n_beads, n_chains) = (of.names.len(), of.chains.len());
    writeln!(out, "molecule {number}: {n_beads} beads, chains: {n_chains}")?;
    for chain in &of.chains {
        let [first, last] = chain.residues;
        let (n, letter) = (last + 1 - first, chain.letter);
        writeln!(
            out,
            "  chain {letter}  residues {first} - {last} ({n}), {} beads",
            chain.n_beads
        )?;
        for part in chain.sequence.as_bytes().chunks(80) {
            writeln!(out, "    {}", String::from_utf8_lossy(part))?;
        }
    }
    let types: Vec<String> = of.types.iter().map(|(t, n)| format!("{t} x{n}")).collect();
    writeln!(out, "  bead types: {}", types.join(", "))?;
    match of.masses {
        Some([least, most, sum]) => {
            writeln!(out, "  masses: {least:.1} to {most:.1} amu, {sum:.1} amu in all")?;
        }
        None => writeln!(out, "  masses: none; langevin and nve dynamics need them")?,
    }
    if let Some(doubt) = &of.doubt {
        writeln!(out, "  warning: {doubt}")?;
    }
    let empty = of.lists.iter().filter(|list| list.n_tuples == 0).count();
    let n_tuples: usize = of.lists.iter().map(|list| list.n_tuples).sum();
    writeln!(out, "  lists: {}, {empty} of them empty; {n_tuples} tuples", of.lists.len())?;
    for ListOverview { name, n_tuples, has_prior } in &of.lists {
        if *n_tuples > 0 {
            let unused = if *has_prior == Some(false) { "  (no prior of this name)" } else { "" };
            writeln!(out, "    {name:<24} {n_tuples:>10}{unused}")?;
        }
    }
    Ok(())
}

fn print_structure(
    out: &mut impl Write,
    (s, structure): (usize, &Structure),
    (number, of): (usize, &Overview),
    model: Option<&Model>,
) -> std::io::Result<()> {
    let schnet = model.and_then(|model| model.schnet.as_ref());
    let cutoff = schnet.map(|schnet| schnet.neighbor_radius());
    let geometry = of.geometry(structure, cutoff);
    writeln!(out, "structure {s}: molecule {number}")?;
    if let (Some(cutoff), Some((mean, most))) = (cutoff, geometry.neighbors) {
        writeln!(out, "  neighbors within {cutoff} A: {mean:.1} on average, {most} at most")?;
        if let Some(limit) = schnet.and_then(|schnet| schnet.max_num_neighbors)
            && most > limit as usize
        {
            writeln!(out, "  warning: the model allows {limit} neighbors")?;
        }
    }
    let pairs = [
        ("closest pair", geometry.closest),
        ("closest without a bond or an angle between them", geometry.closest_non_bonded),
    ];
    for (name, pair) in pairs {
        if let Some((distance, [i, j])) = pair {
            let (first, second) = (of.label(i), of.label(j));
            writeln!(out, "  {name}: {distance:.2} A, {first} and {second} (beads {i}, {j})")?;
        }
    }
    if structure.velocities.is_some() {
        writeln!(out, "  with velocities")?;
    }
    geometry.doubts.iter().try_for_each(|doubt| writeln!(out, "  warning: {doubt}"))
}

/// The energy of a structure, and that of each term.
fn print_energies(
    out: &mut impl Write,
    potential: &mut Potential,
    (s, structure): (usize, &Structure),
    with_terms: bool,
) -> anyhow::Result<()> {
    let mut terms = vec![("total".to_owned(), Terms::Total)];
    if with_terms {
        terms.extend(Terms::of(potential.system()));
    }
    let kinds = terms.iter().map(|(_, kind)| *kind).collect();
    let (request, mut scores) = (Request { terms: kinds, forces: true }, Scores::default());
    let molecule = [potential.system().molecule_of()[s]];
    potential.evaluate(&molecule, &structure.positions, &request, &mut scores)?;
    let molecule = potential.system().molecule(s);
    writeln!(out, "  energy, kcal/mol, and largest force, kcal/mol/A")?;
    for ((name, kind), Evaluation { energy, forces, .. }) in terms.iter().zip(scores.into_result()?)
    {
        if matches!(kind, Terms::Prior(p) if molecule.terms[*p].tuples.is_empty()) {
            continue;
        }
        let norms = forces.iter().map(|f| f.iter().map(|f| f * f).sum::<f64>().sqrt());
        let (bead, force) = largest_by(norms.enumerate(), |(_, f)| *f).unwrap_or_default();
        writeln!(out, "    {name:<24} {:>14.4} {force:>12.3}  bead {bead}", energy[0])?;
    }
    Ok(())
}
