//! The prior terms of a molecule, as torchmd computes them.

use std::collections::HashSet;

use super::field::{ForceField, Periodic};
use super::psf::Psf;
use crate::error::{Error, Result};
use crate::model::prior::MAX_DEGREE;
use crate::model::{Prior, PriorForm, PriorParameters};
use crate::structure::TupleList;

/// The terms of torchmd's `forceterms`, and the pairs without a repulsion.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Names of terms, in any case.
    pub terms: Vec<String>,
    /// Pairs without a repulsion.
    pub exclusions: Exclusions,
    /// Å; pairs and bonds beyond it have no energy. No published model has a cutoff.
    pub cutoff: Option<f64>,
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
            cutoff: None,
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
///
/// # Errors
/// [`Error::Unsupported`] names a term of all-atom force fields, a cutoff or harmonic torsions;
/// [`Error::Invalid`] names an unknown term, or atom types without parameters.
pub fn priors(
    field: &ForceField,
    psf: &Psf,
    choice: &Choice,
) -> Result<(Vec<Prior>, Vec<TupleList>)> {
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
    if choice.cutoff.is_some() {
        let advice = "no published model has one";
        return Err(Error::unsupported("a cutoff of the terms of a force field", advice));
    }
    let has = |term: &str| chosen.iter().any(|name| name == term);
    let lists = Lists::new(psf);
    let mut all = Vec::new();
    if has("bonds") && !lists.bonds.is_empty() {
        all.push(term(psf, "bonds", PriorForm::HarmonicBond, &lists.bonds, |names| {
            let bond = field.bonds.look_up(&both_ways(names))?;
            Some(vec![bond.k, bond.x0, 0.0])
        }));
    }
    if has("angles") && !lists.angles.is_empty() {
        all.push(term(psf, "angles", PriorForm::HarmonicAngleRaw, &lists.angles, |names| {
            let angle = field.angles.look_up(&both_ways(names))?;
            Some(vec![angle.k, angle.x0, 0.0])
        }));
    }
    if has("dihedrals") && !lists.dihedrals.is_empty() {
        let series =
            |_: &[u32], names: &[&str]| field.dihedrals.look_up(&both_ways(names)).cloned();
        all.push(torsions(psf, "dihedrals", &lists.dihedrals, series)?);
    }
    if has("impropers") && !lists.impropers.is_empty() {
        let series = |beads: &[u32], names: &[&str]| improper(field, psf, &lists, beads, names);
        all.push(torsions(psf, "impropers", &lists.impropers, series)?);
    }
    if has("repulsioncg") {
        let excluded = lists.excluded(&has, &choice.exclusions);
        let n = psf.n_beads() as u32;
        if n > MOST_REPULSIVE {
            let expected = format!("at most {MOST_REPULSIVE}, all pairs of which repel each other");
            return Err(Error::invalid("beads", n, expected));
        }
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j, 0, 0]));
        let pairs: Vec<_> = pairs.filter(|[i, j, ..]| !excluded.contains(&[*i, *j])).collect();
        all.push(term(psf, "repulsioncg", PriorForm::Repulsion, &pairs, |names| {
            let of = |name: &str| field.lj.look_up(&[vec![name]]);
            let ([eps_i, sigma_i], [eps_j, sigma_j]) = (of(names[0])?, of(names[1])?);
            let sigma = 0.5 * (sigma_i + sigma_j);
            // (σ/r)⁶ is 4 √(ε_i ε_j) σ_ij⁶ / r⁶.
            Some(vec![(4.0 * (eps_i * eps_j).sqrt() * sigma.powi(6)).powf(1.0 / 6.0)])
        }));
    }
    let named = |(name, found): (&'static str, Found)| {
        found.map_err(|names| {
            let section = if name == "repulsioncg" { "lj" } else { name };
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            field.missing(section, &names)
        })
    };
    let mut terms = Vec::new();
    let mut tuples = Vec::new();
    for (name, found) in all {
        let (form, list, values) = named((name, found))?;
        let parameters = PriorParameters::PerTuple { values };
        tuples.push(TupleList { name: name.to_owned(), order: form.order(), tuples: list });
        terms.push(Prior { name: name.to_owned(), form, parameters });
    }
    Ok((terms, tuples))
}

/// The form, the tuples and the parameters of a term, or the atom types that have none.
type Found = std::result::Result<(PriorForm, Vec<[u32; 4]>, Vec<f64>), Vec<String>>;

/// The names of a tuple in both directions.
fn both_ways<'a>(names: &[&'a str]) -> [Vec<&'a str>; 2] {
    [names.to_vec(), names.iter().rev().copied().collect()]
}

fn names_of<'a>(psf: &'a Psf, beads: &[u32]) -> Vec<&'a str> {
    beads.iter().map(|bead| psf.atom_types[*bead as usize].as_str()).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn term(
    psf: &Psf,
    name: &'static str,
    form: PriorForm,
    tuples: &[[u32; 4]],
    parameters: impl Fn(&[&str]) -> Option<Vec<f64>>,
) -> (&'static str, Found) {
    let of_tuple = |tuple: &[u32; 4]| {
        let names = names_of(psf, &tuple[..form.order()]);
        parameters(&names).ok_or_else(|| owned(&names))
    };
    let rows = tuples.iter().map(of_tuple).collect::<std::result::Result<Vec<_>, _>>();
    (name, rows.map(|rows| (form, tuples.to_vec(), rows.concat())))
}

/// Fourier series. k (1 + cos(n φ − p)) = k + k cos p cos nφ + k sin p sin nφ.
fn torsions(
    psf: &Psf,
    name: &'static str,
    tuples: &[[u32; 4]],
    series: impl Fn(&[u32], &[&str]) -> Option<Vec<Periodic>>,
) -> Result<(&'static str, Found)> {
    let mut all = Vec::new();
    for tuple in tuples {
        let names = names_of(psf, tuple);
        match series(tuple, &names) {
            Some(terms) => all.push(terms),
            None => return Ok((name, Err(owned(&names)))),
        }
    }
    let mut degree = 0;
    for Periodic { per, .. } in all.iter().flatten() {
        if *per <= 0.0 {
            let what = format!("{name} with a periodicity of {per}, which torchmd makes harmonic");
            return Err(Error::unsupported(what, "periodicities of 1 or more are supported"));
        }
        if per.fract() != 0.0 || *per > MAX_DEGREE as f64 {
            let expected = format!("a whole number up to {MAX_DEGREE}");
            return Err(Error::invalid(format!("per of {name}"), per, expected));
        }
        degree = degree.max(*per as usize);
    }
    let row = |terms: &Vec<Periodic>| {
        let mut row = vec![0.0; 1 + 2 * degree];
        for Periodic { k, phase, per } in terms {
            let n = *per as usize;
            row[0] += k;
            row[n] += k * phase.sin();
            row[degree + n] += k * phase.cos();
        }
        row
    };
    let values = all.iter().flat_map(row).collect();
    Ok((name, Ok((PriorForm::Dihedral { degree }, tuples.to_vec(), values))))
}

/// The parameters of an improper. The third bead is the center. If the force field has nothing for
/// this order, the bead that is bonded to the three others becomes the center.
fn improper(
    field: &ForceField,
    psf: &Psf,
    lists: &Lists,
    beads: &[u32],
    names: &[&str],
) -> Option<Vec<Periodic>> {
    /// All orders that keep the third place.
    const ORDERS: [[usize; 4]; 6] =
        [[0, 1, 2, 3], [0, 3, 2, 1], [1, 0, 2, 3], [1, 3, 2, 0], [3, 0, 2, 1], [3, 1, 2, 0]];
    let look_up = |names: &[&str]| {
        let orders = ORDERS.map(|order| order.map(|k| names[k]).to_vec());
        field.impropers.look_up(&orders).map(|term| vec![*term])
    };
    look_up(names).or_else(|| {
        let bonded =
            |a: u32, b: u32| lists.bonds.binary_search(&[a.min(b), a.max(b), 0, 0]).is_ok();
        let is_center = |i: &u32| beads.iter().all(|j| i == j || bonded(*i, *j));
        let center = *beads.iter().find(|bead| is_center(bead))?;
        let mut others: Vec<u32> = beads.iter().copied().filter(|bead| *bead != center).collect();
        others.sort_unstable();
        let [a, b, c] = others[..] else { return None };
        look_up(&names_of(psf, &[a, b, center, c]))
    })
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
    fn excluded(&self, has: &dyn Fn(&str) -> bool, exclusions: &Exclusions) -> HashSet<[u32; 2]> {
        let mut pairs = HashSet::new();
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
