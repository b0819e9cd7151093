//! The prior terms of a molecule, as torchmd computes them.

use std::collections::BTreeSet;

use super::field::{ForceField, Harmonic, Periodic};
use super::kinds::{Kinds, Rows};
use super::look_up::{Row, Section};
use super::psf::Psf;
use crate::error::{Error, Result};
use crate::model::prior::MAX_DEGREE;
use crate::model::{Prior, PriorForm, PriorParameters};
use crate::structure::TupleList;

/// The terms of torchmd's `forceterms`, the pairs without a repulsion, and the bead types.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Names of terms, in any case.
    pub terms: Vec<String>,
    /// Pairs without a repulsion.
    pub exclusions: Exclusions,
    /// The bead types, `None` for those of the published networks by residue.
    pub types: Option<Vec<u32>>,
}

/// Torchmd's `exclusions`. A name acts only if its term is chosen and the topology has its tuples.
#[derive(Debug, Clone)]
pub enum Exclusions {
    /// A list of names.
    List(Vec<String>),
    /// A text that contains the names.
    Text(String),
}

impl Exclusions {
    fn has(&self, name: &str) -> bool {
        match self {
            Exclusions::List(names) => names.iter().any(|of| of == name),
            Exclusions::Text(text) => text.contains(name),
        }
    }
}

impl Default for Choice {
    /// The choice of the published models: bonds, dihedrals and repulsions except of bonded beads.
    fn default() -> Self {
        Choice {
            terms: ["Bonds", "RepulsionCG", "Dihedrals"].map(str::to_owned).into(),
            exclusions: Exclusions::List(vec!["bonds".to_owned()]),
            types: None,
        }
    }
}

/// The most beads of a molecule with repulsions.
const MOST_REPULSIVE: u32 = 1 << 14;

/// The terms that a choice can have.
pub const TERMS: [&str; 5] = ["bonds", "angles", "dihedrals", "impropers", "repulsioncg"];

/// The terms that torchmd has for models with all atoms.
const ALL_ATOM_TERMS: [&str; 4] = ["lj", "repulsion", "1-4", "electrostatics"];

/// Makes the prior terms of a molecule and their tuples. The parameters belong to this molecule.
/// Warns of chosen terms without tuples.
///
/// # Errors
/// [`Error::Unsupported`] names a term of all-atom force fields, or harmonic torsions;
/// [`Error::Invalid`] names an unknown term, atom types without parameters, or a molecule without
/// bonds.
pub fn priors(
    field: &ForceField,
    psf: &Psf,
    choice: &Choice,
) -> Result<(Vec<Prior>, Vec<TupleList>)> {
    let chosen = chosen(choice)?;
    let has = |term: &str| chosen.iter().any(|name| name == term);
    let lists = Lists::new(psf);
    check_tuples(&has, &lists, psf.n_beads())?;
    let kinds = Kinds::new(psf);
    let mut terms = Vec::new();
    let mut tuples = Vec::new();
    let mut add = |name: &str, form: PriorForm, list: Vec<[u32; 4]>, values| {
        let name = name.to_owned();
        tuples.push(TupleList { name: name.clone(), order: form.order(), tuples: list });
        terms.push(Prior { name, form, parameters: PriorParameters::PerTuple { values } });
    };
    for (name, form, list, section) in [
        ("bonds", PriorForm::HarmonicBond, &lists.bonds, &field.bonds),
        ("angles", PriorForm::HarmonicAngleRaw, &lists.angles, &field.angles),
    ] {
        if has(name) && !list.is_empty() {
            let of_names = |names: &[&str]| found(field, name, section, names);
            let rows = kinds.rows(list, form.order(), of_names)?;
            let values = rows.concat(|Row { value: Harmonic { k, x0 }, .. }| vec![*k, *x0, 0.0]);
            add(name, form, list.clone(), values);
        }
    }
    if has("dihedrals") && !lists.dihedrals.is_empty() {
        let of_names = |names: &[&str]| found(field, "dihedrals", &field.dihedrals, names);
        let rows = kinds.rows(&lists.dihedrals, 4, of_names)?;
        let (form, values) = torsions(field, "dihedrals", &rows, Vec::as_slice)?;
        add("dihedrals", form, lists.dihedrals.clone(), values);
    }
    if has("impropers") && !lists.impropers.is_empty() {
        let rows = Rows::each(&lists.impropers, |beads| improper(field, psf, &lists, beads))?;
        let (form, values) = torsions(field, "impropers", &rows, std::slice::from_ref)?;
        add("impropers", form, lists.impropers.clone(), values);
    }
    if has("repulsioncg") {
        let (pairs, values) = repulsions(field, &kinds, &lists.excluded(&has, &choice.exclusions))?;
        add("repulsioncg", PriorForm::Repulsion, pairs, values);
    }
    Ok((terms, tuples))
}

/// The names of the chosen terms in lower case.
fn chosen(choice: &Choice) -> Result<Vec<String>> {
    let chosen: Vec<String> = choice.terms.iter().map(|term| term.to_ascii_lowercase()).collect();
    if let Some(other) = chosen.iter().find(|term| !TERMS.contains(&term.as_str())) {
        let known = TERMS.join(", ");
        return Err(match ALL_ATOM_TERMS.contains(&other.as_str()) {
            true => {
                let what = format!("the term {other:?} of a force field");
                Error::unsupported(what, format!("{known} are supported"))
            }
            false => Error::invalid("forceterms", other, format!("names among {known}")),
        });
    }
    Ok(chosen)
}

/// Refuses a molecule of several beads without bonds: its file is incomplete. Warns of other chosen
/// terms that have no tuples.
fn check_tuples(has: &dyn Fn(&str) -> bool, lists: &Lists, n_beads: usize) -> Result<()> {
    if has("bonds") && lists.bonds.is_empty() && n_beads > 1 {
        let expected = "bonds, which the term Bonds needs; choose the terms if the molecule has \
                        none";
        return Err(Error::invalid("bonds", format!("none between {n_beads} beads"), expected));
    }
    let others = [
        ("angles", 3, &lists.angles),
        ("dihedrals", 4, &lists.dihedrals),
        ("impropers", 4, &lists.impropers),
    ];
    let is_absent = |(name, order, tuples): &(&str, usize, &Vec<[u32; 4]>)| {
        has(name) && tuples.is_empty() && n_beads >= *order
    };
    let absent: Vec<&str> = others.into_iter().filter(is_absent).map(|(name, ..)| name).collect();
    if !absent.is_empty() {
        let absent = absent.join(" and no ");
        log::warn!("the molecule has no {absent}, so that its force field has no such energy");
    }
    Ok(())
}

/// The row of a section for a tuple in one of both directions.
fn found<'a, T>(
    field: &'a ForceField,
    name: &str,
    section: &'a Section<T>,
    names: &[&str],
) -> Result<&'a Row<T>> {
    let both = [names.to_vec(), names.iter().rev().copied().collect()];
    section.look_up(&both).ok_or_else(|| field.missing(name, names))
}

fn names_of<'a>(psf: &'a Psf, beads: &[u32]) -> Vec<&'a str> {
    beads.iter().map(|bead| psf.atom_types[*bead as usize].as_str()).collect()
}

/// Fourier series. k (1 + cos(n φ − p)) = k + k cos p cos nφ + k sin p sin nφ.
fn torsions<T>(
    field: &ForceField,
    name: &str,
    rows: &Rows<&Row<T>>,
    terms: impl Fn(&T) -> &[Periodic],
) -> Result<(PriorForm, Vec<f64>)> {
    let mut degree = 0;
    for row in &rows.distinct {
        for Periodic { per, .. } in terms(&row.value) {
            if *per <= 0.0 {
                let what =
                    format!("{name} with a periodicity of {per}, which torchmd makes harmonic,");
                let advice = "periodicities of 1 or more are supported";
                return Err(field.unsupported(row, what, advice));
            }
            if per.fract() != 0.0 || *per > MAX_DEGREE as f64 {
                let expected = format!("a whole number up to {MAX_DEGREE}");
                return Err(field.invalid(row, &format!("per of {name}"), per, expected));
            }
            degree = degree.max(*per as usize);
        }
    }
    let series = |row: &&Row<T>| {
        let mut series = vec![0.0; 1 + 2 * degree];
        for Periodic { k, phase, per } in terms(&row.value) {
            let n = *per as usize;
            series[0] += k;
            series[n] += k * phase.sin();
            series[degree + n] += k * phase.cos();
        }
        series
    };
    Ok((PriorForm::Dihedral { degree }, rows.concat(series)))
}

/// The pairs that repel each other, the lower index first, and their σ.
fn repulsions(
    field: &ForceField,
    kinds: &Kinds,
    excluded: &BTreeSet<[u32; 2]>,
) -> Result<(Vec<[u32; 4]>, Vec<f64>)> {
    let n = kinds.of_bead.len() as u32;
    if n > MOST_REPULSIVE {
        let expected = format!("at most {MOST_REPULSIVE}, all pairs of which repel each other");
        return Err(Error::invalid("beads", n, expected));
    }
    let row = |name: &&str| {
        let row = field.lj.look_up(&[vec![*name]]);
        row.ok_or_else(|| field.missing("lj", &[*name]))
    };
    let rows = kinds.names.iter().map(row).collect::<Result<Vec<_>>>()?;
    // (σ/r)⁶ is 4 √(ε_i ε_j) σ_ij⁶ / r⁶. Single precision holds σ⁶, or σ is not finite.
    let sigma = |i: &Row<[f64; 2]>, j: &Row<[f64; 2]>| {
        let ([eps_i, sigma_i], [eps_j, sigma_j]) = (i.value, j.value);
        let sixth = 4.0 * (eps_i * eps_j).sqrt() * (0.5 * (sigma_i + sigma_j)).powi(6);
        if (sixth as f32).is_finite() { sixth.powf(1.0 / 6.0) } else { f64::NAN }
    };
    let n_pairs = (n as usize * (n as usize).saturating_sub(1) / 2).saturating_sub(excluded.len());
    let (mut pairs, mut values) = (Vec::with_capacity(n_pairs), Vec::with_capacity(n_pairs));
    let mut repels = vec![true; n as usize];
    for i in 0..n {
        let excluded = || excluded.range([i, 0]..[i + 1, 0]).map(|[_, j]| *j as usize);
        excluded().for_each(|j| repels[j] = false);
        let own = rows[kinds.of_bead[i as usize] as usize];
        let of_kind: Vec<f64> = rows.iter().map(|other| sigma(own, other)).collect();
        for j in i + 1..n {
            let kind = kinds.of_bead[j as usize] as usize;
            if repels[j as usize] {
                if of_kind[kind].is_nan() {
                    let ([epsilon, sigma], line) = (own.value, rows[kind].line);
                    let found =
                        format!("epsilon {epsilon} and sigma {sigma}, with those of line {line}");
                    let expected = "epsilon and sigma of a finite repulsion";
                    return Err(field.invalid(own, "lj", found, expected));
                }
                pairs.push([i, j, 0, 0]);
                values.push(of_kind[kind]);
            }
        }
        excluded().for_each(|j| repels[j] = true);
    }
    Ok((pairs, values))
}

/// The parameters of an improper. The third bead is the center. If the force field has nothing for
/// this order, the bead that is bonded to the three others becomes the center.
fn improper<'a>(
    field: &'a ForceField,
    psf: &Psf,
    lists: &Lists,
    beads: &[u32; 4],
) -> Result<&'a Row<Periodic>> {
    /// All orders that keep the third place.
    const ORDERS: [[usize; 4]; 6] =
        [[0, 1, 2, 3], [0, 3, 2, 1], [1, 0, 2, 3], [1, 3, 2, 0], [3, 0, 2, 1], [3, 1, 2, 0]];
    let look_up = |names: &[&str]| {
        let orders = ORDERS.map(|order| order.map(|k| names[k]).to_vec());
        field.impropers.look_up(&orders)
    };
    let names = names_of(psf, beads);
    let with_center = || {
        let bonded =
            |a: u32, b: u32| lists.bonds.binary_search(&[a.min(b), a.max(b), 0, 0]).is_ok();
        let is_center = |i: &u32| beads.iter().all(|j| i == j || bonded(*i, *j));
        let center = *beads.iter().find(|bead| is_center(bead))?;
        let mut others: Vec<u32> = beads.iter().copied().filter(|bead| *bead != center).collect();
        others.sort_unstable();
        let [a, b, c] = others[..] else { return None };
        look_up(&names_of(psf, &[a, b, center, c]))
    };
    look_up(&names).or_else(with_center).ok_or_else(|| field.missing("impropers", &names))
}

/// The tuples of a topology in the order of their indices, in one direction and without repeats.
struct Lists {
    bonds: Vec<[u32; 4]>,
    angles: Vec<[u32; 4]>,
    dihedrals: Vec<[u32; 4]>,
    impropers: Vec<[u32; 4]>,
}

impl Lists {
    fn new(psf: &Psf) -> Self {
        let turned = |tuples: &[[u32; 4]], order: usize| {
            let turn = |tuple: &[u32; 4]| {
                let mut tuple = *tuple;
                if tuple[0] >= tuple[order - 1] {
                    tuple[..order].reverse();
                }
                tuple
            };
            unique(tuples.iter().map(turn).collect())
        };
        Lists {
            bonds: turned(&psf.bonds, 2),
            angles: turned(&psf.angles, 3),
            dihedrals: turned(&psf.dihedrals, 4),
            impropers: unique(psf.impropers.clone()),
        }
    }

    /// The pairs without a repulsion, the lower index first.
    fn excluded(&self, has: &dyn Fn(&str) -> bool, exclusions: &Exclusions) -> BTreeSet<[u32; 2]> {
        let mut pairs = BTreeSet::new();
        for (name, term, tuples, last) in [
            ("bonds", "bonds", &self.bonds, 1),
            ("angles", "angles", &self.angles, 2),
            ("1-4", "dihedrals", &self.dihedrals, 3),
        ] {
            if has(term) && exclusions.has(name) {
                let ends =
                    |tuple: &[u32; 4]| [tuple[0].min(tuple[last]), tuple[0].max(tuple[last])];
                pairs.extend(tuples.iter().map(ends));
            }
        }
        pairs
    }
}

fn unique(mut tuples: Vec<[u32; 4]>) -> Vec<[u32; 4]> {
    tuples.sort_unstable();
    tuples.dedup();
    tuples
}
