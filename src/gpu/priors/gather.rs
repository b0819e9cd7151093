//! Prior terms in the order in which kernels gather them: for each bead of each molecule, the
//! tuples that contain it, and its non-bonded partners. The partners are a rule instead of a list
//! if they are nearly all beads of the molecule.

use std::collections::HashMap;

use super::super::params::{BEAD_BITS, NEVER, NO_RULE, PairRule, Tuple, form as number};
use crate::error::{Error, Result};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};

/// The lists of prior terms. Each bead of each molecule has a row.
#[derive(Debug)]
pub(in crate::gpu) struct GatherLists {
    /// The first row of each molecule.
    pub(in crate::gpu) first_row: Vec<usize>,
    /// The first tuple of each row, and the total. `[n_rows + 1]`
    pub(in crate::gpu) tuple_row: Vec<u32>,
    pub(in crate::gpu) tuples: Vec<Tuple>,
    /// Parameters of the tuples.
    pub(in crate::gpu) values: Vec<f32>,
    /// The pair rule of each row. `[n_rows]`
    pub(in crate::gpu) rules: Vec<PairRule>,
    /// The class of each row for its molecule's pair rule. `[n_rows]`
    pub(in crate::gpu) classes: Vec<u32>,
    /// The first listed pair of each row, and the total. `[n_rows + 1]`
    pub(in crate::gpu) pair_row: Vec<u32>,
    /// Listed pairs: (partner's number in the replica | term << 24, number of the record).
    pub(in crate::gpu) pairs: Vec<[u32; 2]>,
    /// Parameters of pairs. `[n_records, record_width]`
    pub(in crate::gpu) records: Vec<f32>,
    /// 1 if every pair is (σ/r)⁶ without a cutoff, else 4.
    pub(in crate::gpu) record_width: usize,
}

/// p, q, r0, cutoff of shaders/prior_repulsion.wgsl.
type Record = [f64; 4];

/// The number of a form in shaders/prior_bonded.wgsl, and its degree; `None` for non-bonded pairs.
fn bonded(form: PriorForm) -> Option<(u32, u32)> {
    match form {
        PriorForm::HarmonicBond => Some((number::BOND, 0)),
        PriorForm::HarmonicAngle => Some((number::ANGLE, 0)),
        PriorForm::HarmonicAngleRaw => Some((number::ANGLE_RAW, 0)),
        PriorForm::QuarticAngle => Some((number::QUARTIC, 0)),
        PriorForm::QuarticAngleRaw => Some((number::QUARTIC_RAW, 0)),
        PriorForm::RestrictedQuartic => Some((number::RESTRICTED, 0)),
        PriorForm::Dihedral { degree } => Some((number::DIHEDRAL, degree as u32)),
        PriorForm::HarmonicImproper => Some((number::IMPROPER, 0)),
        PriorForm::ShiftedHarmonicImproper => Some((number::IMPROPER_SHIFTED, 0)),
        PriorForm::Repulsion
        | PriorForm::CutoffRepulsion
        | PriorForm::ExpRepulsion
        | PriorForm::CutoffExpRepulsion => None,
    }
}

/// The record of a pair: U = p/r⁶ if q is 0, else U = p exp(q (r0 − r)). U is force-shifted to end
/// at the cutoff.
fn record(form: PriorForm, parameters: &[f64]) -> Record {
    let p = parameters;
    match form {
        PriorForm::Repulsion => [p[0].powi(6), 0.0, 0.0, NEVER],
        PriorForm::CutoffRepulsion => [p[0].powi(6), 0.0, 0.0, p[1]],
        PriorForm::ExpRepulsion => [6.0 / p[0], p[0] / p[1], p[1], NEVER],
        PriorForm::CutoffExpRepulsion => [6.0 / p[0], p[0] / p[1], p[1], p[2]],
        PriorForm::HarmonicBond
        | PriorForm::HarmonicAngle
        | PriorForm::HarmonicAngleRaw
        | PriorForm::QuarticAngle
        | PriorForm::QuarticAngleRaw
        | PriorForm::RestrictedQuartic
        | PriorForm::Dihedral { .. }
        | PriorForm::HarmonicImproper
        | PriorForm::ShiftedHarmonicImproper => unreachable!("only pairs have records"),
    }
}

/// All pairs of a molecule but the masked ones, with one record for each pair of classes.
struct Rule {
    term: usize,
    /// For each bead i, bit 32 + j − i is set for a bead j that is no partner, and for i itself.
    masks: Vec<u64>,
    /// One for each pair of classes. `[n_classes, n_classes]`
    records: Vec<Record>,
}

/// The class of each bead, and the number of classes. Beads of one type form a class.
fn classes(molecule: &Molecule) -> (Vec<u32>, usize) {
    let mut number = HashMap::new();
    let classes = molecule.types.iter().map(|bead_type| {
        let next = number.len() as u32;
        *number.entry(*bead_type).or_insert(next)
    });
    let classes: Vec<u32> = classes.collect();
    (classes, number.len())
}

/// A list of pairs can be a rule if it lacks at most this many pairs per bead.
const FEW: usize = 32;

/// The rule that reproduces the list of pairs of term `k`, if there is one: the list has all pairs
/// but some whose beads are near in number, and the parameters depend on the classes only.
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
            // A pair that is in the list twice has no rule either.
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
    pub(in crate::gpu) fn new(system: &System) -> Result<Self> {
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
            if n_beads >= 1 << BEAD_BITS || molecule.terms.len() >= 1 << (32 - BEAD_BITS) {
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
        // σ⁶ and some parameters may be beyond f32.
        let mut numbers = lists.records.iter().chain(&lists.values);
        // A record whose q becomes 0 would be another form.
        let keeps_form =
            records.all.iter().all(|record| record[1] == 0.0 || record[1] as f32 != 0.0);
        match keeps_form && numbers.all(|number| number.is_finite()) {
            true => Ok(lists),
            false => Err(Error::unsupported(
                "a prior parameter beyond the range of f32 (σ⁶ for repulsions)",
                "use the CPU backend",
            )),
        }
    }

    /// Whether any molecule has non-bonded pairs.
    pub(in crate::gpu) fn has_pairs(&self) -> bool {
        !self.pairs.is_empty() || self.rules.iter().any(|rule| rule.records != NO_RULE)
    }

    /// Adds the pair rules of the beads of a molecule.
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

    /// Adds the tuples of term `k` to the lists of all their beads.
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

/// Records by number. Equal records of listed pairs share a number.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    number_of: HashMap<[u64; 4], u32>,
}

impl Records {
    /// The number of a record, which is added if it is new.
    fn number(&mut self, record: Record) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.number_of.entry(record.map(f64::to_bits)).or_insert(next);
        if number == next {
            self.all.push(record);
        }
        number
    }

    /// Adds the records of a rule and returns the number of the first.
    fn append(&mut self, table: &[Record]) -> u32 {
        self.all.extend(table);
        (self.all.len() - table.len()) as u32
    }

    /// The records in f32 and their width: p alone if no record needs the other numbers.
    fn narrow(&self) -> (Vec<f32>, usize) {
        let plain =
            self.all.iter().all(|[p, q, _, cutoff]| *q == 0.0 && (*cutoff == NEVER || *p == 0.0));
        let width = if plain { 1 } else { 4 };
        (self.all.iter().flat_map(|r| r[..width].iter().map(|x| *x as f32)).collect(), width)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::builtin;

    /// The built-in system with its non-bonded list changed.
    fn lists(change: impl FnOnce(&mut Term)) -> GatherLists {
        let model = builtin::model();
        let mut system = System::new(&model, &[builtin::structure()]).expect("valid");
        let terms = &mut Arc::make_mut(&mut system.molecules[0]).terms;
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
