//! The texts about a preparation: a summary, a report by residues, and the provenance.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::log::{Log, Warning, capped, count};
use super::names::{is_nucleotide, is_water};
use super::options::{Breaks, Options};
use super::origin::{Origin, Start};
use super::residue::Chain;
use super::sequence::sequence_text;
use super::{Coarse, Prepared};
use crate::error::printable;

impl Coarse {
    /// The chains, what was left out, notes and warnings, a line each.
    pub fn summary(&self, origin: Origin) -> String {
        let from = match (origin, self.models.as_slice()) {
            (Origin::File(path), models) => {
                let name = printable(path.file_name().map_or(path, Path::new).display());
                match models {
                    [one] => format!("{name}, model {one} of {}", self.n_models),
                    all => format!("{name}, {} models", all.len()),
                }
            }
            (Origin::Sequence { start: Start::Extended, .. }, _) => "an extended chain".to_owned(),
            (Origin::Sequence { start: Start::RandomCoil { n, seed }, .. }, _) => {
                format!("{} of seed {seed}", count(n, "random coil"))
            }
        };
        let mut text = format!("prepare: {from}\n");
        for fact in self.facts() {
            let _ = writeln!(text, "  {fact}");
        }
        for warning in &self.log.warnings {
            let _ = writeln!(text, "  warning: {}", warning.line());
        }
        text
    }

    /// The chains, what was left out, and notes, a line each.
    pub fn facts(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.chains.iter().map(|chain| self.line(chain)).collect();
        lines.extend(dropped(&self.log).map(|names| format!("dropped: {names}")));
        if self.chains.len() > 1 {
            lines.push("note: the beads of different chains meet as non-bonded pairs only".into());
        }
        if has_partners(&self.log) {
            lines.push("note: what was dropped is not represented by the model".into());
        }
        lines.extend(self.log.notes.iter().map(|note| format!("note: {note}")));
        lines
    }

    /// For example `chain A  MET 1 - LEU 120   120 residues  588 beads`.
    fn line(&self, chain: &Chain) -> String {
        let ends = match chain.residues.as_slice() {
            [] => String::new(),
            [one] => one.short_label(),
            [first, .., last] => format!("{} - {}", first.short_label(), last.short_label()),
        };
        let n_beads = chain.positions(self.mapping).count();
        let letter = if chain.letter.is_empty() { "(no letter)" } else { &chain.letter };
        let (residues, beads) = (count(chain.residues.len(), "residue"), count(n_beads, "bead"));
        format!("chain {letter}  {ends}   {residues}  {beads}")
    }

    /// Every residue with its beads, types and positions.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let mut beads = self.beads().enumerate().peekable();
        for (chain_index, chain) in self.chains.iter().enumerate() {
            let _ = writeln!(text, "{}", self.line(chain));
            let _ =
                writeln!(text, "  residue      as   line  beads (number, name, type, x y z in A)");
            while let Some((first, bead)) = beads.next_if(|(_, b)| b.chain_index == chain_index) {
                let residue = bead.residue;
                let mut parts = vec![self.bead(first, bead)];
                let same = |b: &super::Bead| b.residue_index == bead.residue_index;
                while let Some((number, bead)) = beads.next_if(|(_, b)| same(b)) {
                    parts.push(self.bead(number, bead));
                }
                let (label, amino) = (residue.short_label(), residue.amino.name());
                let remarks = match residue.remarks.is_empty() {
                    true => String::new(),
                    false => format!("  ({})", residue.remarks.join(", ")),
                };
                let line = residue.line;
                let beads = parts.join("; ");
                let _ = writeln!(text, "  {label:<12} {amino:<4} {line:>5}  {beads}{remarks}");
            }
        }
        text
    }

    fn bead(&self, number: usize, bead: super::Bead) -> String {
        let [x, y, z] = self.positions[0][number];
        let bead_type = self.mapping.bead_type(bead.residue.amino, bead.site);
        format!("{number} {} {bead_type} {x:.3} {y:.3} {z:.3}", bead.site.name())
    }
}

impl Prepared {
    /// The report of the beads, and the numbers of bead types and of tuples of the terms.
    pub fn report(&self) -> String {
        let mut text = self.coarse.report();
        let mut types: BTreeMap<u32, usize> = BTreeMap::new();
        self.molecule.types.iter().for_each(|t| *types.entry(*t).or_default() += 1);
        let types: Vec<String> = types.iter().map(|(t, n)| format!("{t} x{n}")).collect();
        let _ = writeln!(text, "bead types  {}", types.join(", "));
        let _ = writeln!(text, "terms (name, form, tuples)");
        for term in self.molecule.terms.iter().filter(|term| !term.tuples.is_empty()) {
            let _ = writeln!(text, "  {} {} {}", term.name, term.form.name(), term.tuples.len());
        }
        text
    }

    /// The summary of the beads and of the priors on them.
    pub fn summary(&self, origin: Origin) -> String {
        let mut text = self.coarse.summary(origin);
        let super::Joined { n_terms, n_tuples, .. } = self.joined;
        let keys = match self.joined.n_missing() {
            0 => "all keys found".to_owned(),
            n => format!("{n} without parameters"),
        };
        let (force, bead) = self.largest_force;
        let bead = self.coarse.beads().nth(bead).map(|bead| bead.label()).unwrap_or_default();
        let _ = writeln!(
            text,
            "  priors: {}, {}, {keys}; energy {:.1} kcal/mol, largest force {force:.0} kcal/mol/A \
             ({bead})",
            count(n_terms, "term"),
            count(n_tuples, "tuple"),
            self.energies[0].iter().sum::<f64>()
        );
        text
    }

    /// Where the structures come from, as JSON: the file or the sequence, its digest, that of the
    /// model, the options, what was left out, notes and warnings.
    pub fn provenance(&self, origin: Origin, model_digest: &str, options: &Options) -> String {
        let coarse = &self.coarse;
        let (file, sequence) = match origin {
            Origin::File(path) => {
                (Some(path.file_name().unwrap_or_default().to_string_lossy()), None)
            }
            Origin::Sequence { start, minimization } => {
                let coils = match start {
                    Start::Extended => None,
                    Start::RandomCoil { n, seed } => Some(json!({"n": n, "seed": seed})),
                };
                let minimized = minimization
                    .map(|of| json!({"most_steps": of.most_steps, "tolerance": of.tolerance}));
                let letters = sequence_text(&coarse.sequences());
                let of = json!({"letters": letters, "random_coil": coils, "minimized": minimized});
                (None, Some(of))
            }
        };
        let map: Vec<String> =
            options.map.iter().map(|(name, amino)| format!("{name}={}", amino.name())).collect();
        let residues = coarse.chains.iter().flat_map(|chain| {
            chain.residues.iter().map(move |residue| (residue, residue.label(&chain.letter)))
        });
        let remarks: Vec<String> = residues
            .filter(|(residue, _)| !residue.remarks.is_empty())
            .map(|(residue, label)| format!("{label}: {}", residue.remarks.join(", ")))
            .collect();
        let warnings: Vec<String> = coarse.log.warnings.iter().map(Warning::line).collect();
        json!({
            "program": concat!("flashschnet ", env!("CARGO_PKG_VERSION")),
            "file": file,
            "sequence": sequence,
            "sha256": coarse.digest,
            "model": model_digest,
            "mapping": coarse.mapping.name(),
            "models": coarse.models,
            "chains": coarse.chains.iter().map(|chain| coarse.line(chain)).collect::<Vec<_>>(),
            "options": {
                "chain": options.chains,
                "breaks": match options.breaks {
                    Breaks::Refuse => "refuse",
                    Breaks::Split => "split",
                    Breaks::Bond => "bond",
                },
                "map": map,
                "rebuild_cb": options.rebuild_cb,
                "rebuild_o": options.rebuild_o,
                "allow_missing_priors": options.allow_missing_priors,
            },
            "dropped": coarse.log.dropped,
            "residues": remarks,
            "notes": coarse.log.notes,
            "warnings": warnings,
        })
        .to_string()
    }
}

/// Describes what was left out: waters first, then by name.
fn dropped(log: &Log) -> Option<String> {
    let mut names: Vec<(&String, &usize)> = log.dropped.iter().collect();
    names.sort_by_key(|(name, _)| (!is_water(name), is_nucleotide(name)));
    let texts: Vec<String> = names.iter().map(|(name, n)| format!("{n} {name}")).collect();
    (!texts.is_empty()).then(|| capped(texts).join(", "))
}

/// Whether molecules other than water were left out.
fn has_partners(log: &Log) -> bool {
    log.dropped.keys().any(|name| !is_water(name))
}
