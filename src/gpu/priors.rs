//! Prior terms as the kernels gather them: for every bead of every molecule, the tuples it is in,
//! and its non-bonded partners as a rule where the list is one.

use std::collections::HashMap;

use super::params::{NO_RULE, PairRule, Tuple};
use crate::error::{Error, Result};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};

/// Gather lists over the beads ("rows") of all molecules.
#[derive(Debug)]
pub(super) struct GatherLists {
    /// First row of each molecule.
    pub(super) first_row: Vec<usize>,
    /// `[n_rows + 1]`
    pub(super) tuple_row: Vec<u32>,
    pub(super) tuples: Vec<Tuple>,
    pub(super) values: Vec<f32>,
    /// `[n_rows]`
    pub(super) rules: Vec<PairRule>,
    /// Class of each row in its molecule's rule. `[n_rows]`
    pub(super) classes: Vec<u32>,
    /// `[n_rows + 1]`
    pub(super) pair_row: Vec<u32>,
    /// (local bead | term << 24, record)
    pub(super) pairs: Vec<[u32; 2]>,
    /// `[n_records, record_width]`
    pub(super) records: Vec<f32>,
    /// 1 where every pair is (σ/r)⁶, else 6.
    pub(super) record_width: usize,
}

const BEAD_BITS: u32 = 24;
/// p, q, α, a, b, cutoff of shaders/prior_repulsion.wgsl.
type Record = [f64; 6];

/// The form's number in shaders/prior_bonded.wgsl, and its degree; `None` for pairs.
fn bonded(form: PriorForm) -> Option<(u32, u32)> {
    match form {
        PriorForm::HarmonicBond => Some((0, 0)),
        PriorForm::HarmonicAngle => Some((1, 0)),
        PriorForm::HarmonicAngleRaw => Some((2, 0)),
        PriorForm::QuarticAngle => Some((3, 0)),
        PriorForm::QuarticAngleRaw => Some((4, 0)),
        PriorForm::RestrictedQuartic => Some((5, 0)),
        PriorForm::Dihedral { degree } => Some((6, degree as u32)),
        PriorForm::HarmonicImproper => Some((7, 0)),
        PriorForm::ShiftedHarmonicImproper => Some((8, 0)),
        PriorForm::Repulsion
        | PriorForm::CutoffRepulsion
        | PriorForm::ExpRepulsion
        | PriorForm::CutoffExpRepulsion => None,
    }
}

/// U = p/r⁶, or p exp(α − q r) where q is not 0; and a, b, cutoff of the force shift, which makes
/// E = U + a + b r = U − U(rc) − (r − rc) U'(rc) end at the cutoff.
fn record(form: PriorForm, parameters: &[f64]) -> Record {
    let power = |sigma: f64| [sigma.powi(6), 0.0, 0.0];
    let exponential = |alpha: f64, r_0: f64| [6.0 / alpha, alpha / r_0, alpha];
    let never = f64::from(f32::MAX);
    let ([p, q, alpha], cutoff) = match (form, parameters) {
        (PriorForm::Repulsion, [sigma]) => (power(*sigma), never),
        (PriorForm::CutoffRepulsion, [sigma, cutoff]) => (power(*sigma), *cutoff),
        (PriorForm::ExpRepulsion, [alpha, r_0]) => (exponential(*alpha, *r_0), never),
        (PriorForm::CutoffExpRepulsion, [alpha, r_0, cutoff]) => {
            (exponential(*alpha, *r_0), *cutoff)
        }
        _ => unreachable!("only pairs have records, and as many parameters as their form"),
    };
    if cutoff == never || cutoff <= 0.0 {
        return [p, q, alpha, 0.0, 0.0, cutoff];
    }
    let (value, slope) = if q == 0.0 {
        let value = p / cutoff.powi(6);
        (value, -6.0 * value / cutoff)
    } else {
        let value = p * (alpha - q * cutoff).exp();
        (value, -q * value)
    };
    [p, q, alpha, cutoff * slope - value, -slope, cutoff]
}

/// All pairs of a molecule but those masked, with one record for each pair of classes.
struct Rule {
    term: usize,
    /// Partners in the window that are not in the list, by bead.
    masks: Vec<u64>,
    /// `[n_classes, n_classes]`
    records: Vec<Record>,
}

/// Classes of beads: equal types are equal classes.
fn classes(molecule: &Molecule) -> (Vec<u32>, usize) {
    let mut number = HashMap::new();
    let classes = molecule.types.iter().map(|bead_type| {
        let next = number.len() as u32;
        *number.entry(*bead_type).or_insert(next)
    });
    let classes: Vec<u32> = classes.collect();
    (classes, number.len())
}

/// Exceptions per bead up to which a list counts as "all pairs but a few".
const FEW: usize = 32;

/// The rule behind a list of pairs, if it is one: all pairs but some near in number, and
/// parameters that depend on the classes only.
fn rule(molecule: &Molecule, k: usize, classes: &[u32], n_classes: usize) -> Option<Rule> {
    let (term, n) = (&molecule.terms[k], molecule.n_beads());
    let all = n * (n - 1) / 2;
    if bonded(term.form).is_some() || term.tuples.is_empty() || term.tuples.len() + FEW * n < all {
        return None;
    }
    let mut listed = vec![0_u64; (n * n).div_ceil(64)];
    let mut records = vec![None; n_classes * n_classes];
    for (t, [i, j, ..]) in term.tuples.iter().copied().enumerate() {
        let record = record(term.form, term.parameters(t));
        for (i, j) in [(i as usize, j as usize), (j as usize, i as usize)] {
            let known = &mut records[classes[i] as usize * n_classes + classes[j] as usize];
            let (word, bit) = ((i * n + j) / 64, 1 << ((i * n + j) % 64));
            // A pair that stands in the list twice is no rule either.
            if *known.get_or_insert(record) != record || listed[word] & bit != 0 {
                return None;
            }
            listed[word] |= bit;
        }
    }
    let mut masks = vec![1_u64 << 32; n];
    for (i, mask) in masks.iter_mut().enumerate() {
        for j in (0..n).filter(|j| *j != i) {
            if listed[(i * n + j) / 64] >> ((i * n + j) % 64) & 1 == 0 {
                let offset = 32 + j as i64 - i as i64;
                *mask |= (0..64).contains(&offset).then(|| 1_u64 << offset)?;
            }
        }
    }
    let records = records.into_iter().map(Option::unwrap_or_default).collect();
    Some(Rule { term: k, masks, records })
}

impl GatherLists {
    pub(super) fn new(system: &System) -> Result<Self> {
        let mut lists = GatherLists {
            first_row: Vec::new(),
            tuple_row: vec![0],
            tuples: Vec::new(),
            values: Vec::new(),
            rules: Vec::new(),
            classes: Vec::new(),
            pair_row: vec![0],
            pairs: Vec::new(),
            records: Vec::new(),
            record_width: 1,
        };
        let mut records = Records::default();
        for molecule in &system.molecules {
            let n_beads = molecule.n_beads();
            if n_beads >= 1 << BEAD_BITS || molecule.terms.len() >= 256 {
                return Err(Error::unsupported(
                    format!("{n_beads} beads and {} prior terms", molecule.terms.len()),
                    "the GPU backend takes fewer than 2^24 beads and 256 terms per molecule",
                ));
            }
            lists.first_row.push(lists.tuple_row.len() - 1);
            let (classes, n_classes) = classes(molecule);
            let found =
                (0..molecule.terms.len()).find_map(|k| rule(molecule, k, &classes, n_classes));
            lists.push_rules(found.as_ref(), &classes, n_classes, &mut records);
            let mut tuples_of = vec![Vec::new(); n_beads];
            let mut pairs_of = vec![Vec::new(); n_beads];
            for (k, term) in molecule.terms.iter().enumerate() {
                if let Some((form, degree)) = bonded(term.form) {
                    lists.gather_tuples(k, term, form, degree, &mut tuples_of);
                } else if found.as_ref().is_none_or(|rule| rule.term != k) {
                    for (t, [i, j, ..]) in term.tuples.iter().copied().enumerate() {
                        let record = records.number(record(term.form, term.parameters(t)));
                        for (bead, partner) in [(i, j), (j, i)] {
                            let word = partner | (k as u32) << BEAD_BITS;
                            pairs_of[bead as usize].push([word, record]);
                        }
                    }
                }
            }
            for (tuples, pairs) in tuples_of.into_iter().zip(pairs_of) {
                lists.tuples.extend(tuples);
                lists.tuple_row.push(lists.tuples.len() as u32);
                lists.pairs.extend(pairs);
                lists.pair_row.push(lists.pairs.len() as u32);
            }
            lists.classes.extend(classes);
        }
        (lists.records, lists.record_width) = records.narrow();
        Ok(lists)
    }

    /// Whether there is anything for the repulsion kernel to do.
    pub(super) fn has_pairs(&self) -> bool {
        !self.pairs.is_empty() || self.rules.iter().any(|rule| rule.records != NO_RULE)
    }

    fn push_rules(
        &mut self,
        rule: Option<&Rule>,
        classes: &[u32],
        n_classes: usize,
        records: &mut Records,
    ) {
        let none = PairRule { records: NO_RULE, mask_low: 0, mask_high: 0, term: 0 };
        let Some(rule) = rule else {
            self.rules.extend(std::iter::repeat_n(none, classes.len()));
            return;
        };
        let first = records.append(&rule.records);
        self.rules.extend(classes.iter().zip(&rule.masks).map(|(class, mask)| PairRule {
            records: first + class * n_classes as u32,
            mask_low: *mask as u32,
            mask_high: (mask >> 32) as u32,
            term: rule.term as u32,
        }));
    }

    fn gather_tuples(
        &mut self,
        k: usize,
        term: &Term,
        form: u32,
        degree: u32,
        tuples_of: &mut [Vec<Tuple>],
    ) {
        for (t, beads) in term.tuples.iter().enumerate() {
            let values = self.values.len() as u32;
            self.values.extend(term.parameters(t).iter().map(|v| *v as f32));
            for slot in 0..term.form.order() {
                tuples_of[beads[slot] as usize].push(Tuple {
                    beads: *beads,
                    form,
                    slot: slot as u32,
                    term: k as u32,
                    degree,
                    values,
                    padding: [0; 3],
                });
            }
        }
    }
}

/// Records by number; equal ones of lists share it.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    number_of: HashMap<[u64; 6], u32>,
}

impl Records {
    fn number(&mut self, record: Record) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.number_of.entry(record.map(f64::to_bits)).or_insert(next);
        if number == next {
            self.all.push(record);
        }
        number
    }

    /// Adds a table and returns the number of its first record.
    fn append(&mut self, table: &[Record]) -> u32 {
        self.all.extend(table);
        (self.all.len() - table.len()) as u32
    }

    /// As the kernel reads them: p alone where nothing else matters.
    fn narrow(&self) -> (Vec<f32>, usize) {
        let plain = self.all.iter().all(|[p, q, alpha, a, b, cutoff]| {
            [q, alpha, a, b].iter().all(|x| **x == 0.0)
                && (*cutoff == f64::from(f32::MAX) || *p == 0.0)
        });
        let width = if plain { 1 } else { 6 };
        (self.all.iter().flat_map(|r| r[..width].iter().map(|x| *x as f32)).collect(), width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    /// The built-in system with its non-bonded list changed.
    fn lists(change: impl FnOnce(&mut Term)) -> GatherLists {
        let model = builtin::model();
        let mut system = System::new(&model, &[builtin::structure()]).expect("valid");
        let terms = &mut system.molecules[0].terms;
        change(terms.iter_mut().find(|term| term.form == PriorForm::Repulsion).expect("has one"));
        GatherLists::new(&system).expect("fits")
    }

    fn is_rule(lists: &GatherLists) -> bool {
        assert!(lists.has_pairs());
        let rules = lists.rules.iter().all(|rule| rule.records != NO_RULE);
        assert_eq!(rules, lists.pairs.is_empty(), "a rule leaves no list");
        rules
    }

    #[test]
    fn the_list_of_a_published_topology_is_a_rule() {
        let lists = lists(|_| {});
        assert!(is_rule(&lists));
        assert_eq!(lists.record_width, 1);
        let exceptions: u32 = lists
            .rules
            .iter()
            .map(|rule| rule.mask_low.count_ones() + rule.mask_high.count_ones() - 1)
            .sum();
        assert_eq!(34_562 + exceptions / 2, 269 * 268 / 2);
    }

    #[test]
    fn a_list_that_lacks_a_distant_pair_is_a_list() {
        let lists = lists(|term| {
            let distant = term.tuples.iter().position(|[i, j, ..]| j - i > 100).expect("has one");
            term.tuples.remove(distant);
            term.values.remove(distant);
        });
        assert!(!is_rule(&lists));
        assert_eq!(lists.pairs.len(), 2 * 34_561);
    }

    #[test]
    fn a_pair_given_twice_or_with_parameters_of_its_own_makes_a_list() {
        assert!(!is_rule(&lists(|term| {
            term.tuples.push(term.tuples[7]);
            term.values.push(term.values[7]);
        })));
        assert!(!is_rule(&lists(|term| term.values[7] += 0.5)));
    }
}
