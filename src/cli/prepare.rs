//! `flashschnet prepare`: makes structures for a model from PDB and mmCIF files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::{Minimization, Precision};
use crate::error::{Error, printable};
use crate::io::force_field::{ForceField, Psf};
use crate::io::native::{model_digest, write_with_provenance};
use crate::io::{check_free, topology_pdb, write_new};
use crate::model::Model;
use crate::prepare::{self, AminoAcid, Breaks, Mapping, Options, Origin, Prepared, Start};
use clap::{ArgGroup, Args, ValueEnum};

use super::backend::{BackendName, PlaceOptions};
use super::flags::with_flags;
use super::inputs::{self, Parts};
use super::options::whole;
use super::run::minimization_summary;
use super::tell::{self, listed, tell};

/// Make structures for a model from a sequence, or from an all-atom or coarse PDB or mmCIF file.
///
/// Writes the beads, their types and masses, and the index list of every prior to FILE, which
/// --structures of run and energy takes, and the beads to NAME_cg.pdb beside it for viewers. Nothing
/// is written if anything is wrong. Prints what was taken, what was left out, and doubts.
#[derive(Args)]
#[command(group = origin(), group = of_sequence())]
pub(super) struct Prepare {
    /// Structure file, PDB or mmCIF
    #[arg(value_name = "STRUCTURE", conflicts_with = "of_sequence")]
    file: Option<PathBuf>,
    /// Model file: native, or a .pt or .ckpt file of mlcg, flashmd or TorchMD
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Prior file, for a model file that holds only a network; for one of TorchMD its force field
    /// (YAML)
    #[arg(long, value_name = "FILE")]
    priors: Option<PathBuf>,
    /// New file for the structures
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    choices: Choices,
    /// New file for the topology of a model of TorchMD, as torchmd and --topology take it
    #[arg(long, value_name = "FILE.psf")]
    psf: Option<PathBuf>,
    /// Print what became what, residue by residue, or write it to a new file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    report: Option<Option<PathBuf>>,
    // Headings of the help hold for all options after them.
    #[command(flatten)]
    sequence: SequenceOptions,
}

/// Structures from a sequence.
#[derive(Args)]
#[command(next_help_heading = "Structures from a sequence")]
#[command(mut_arg("backend", |arg| arg.help("Where to minimize [default: cpu]")))]
struct SequenceOptions {
    /// Build an extended chain of this sequence in one-letter codes; a colon or another --sequence
    /// begins another chain. A name with a dot or a slash is that of a FASTA file
    #[arg(long, value_name = "SEQ|FASTA", conflicts_with_all = OF_FILE)]
    sequence: Vec<String>,
    /// Build N random coils that avoid themselves, as structures of one system
    #[arg(long, value_parser = whole::<usize, 1>, value_name = "N")]
    random_coil: Option<usize>,
    /// Seed of the random coils; coil K does not depend on N
    #[arg(long, value_parser = whole::<u64, 0>, default_value_t = 7, value_name = "KEY", requires = "random_coil")]
    seed: u64,
    /// Keep the ideal geometry; otherwise the energy of the model is minimized
    #[arg(long)]
    no_minimize: bool,
    #[command(flatten)]
    place: PlaceOptions,
}

/// The choices that a structure file leaves open.
const OF_FILE: [&str; 5] = ["chain", "pdb_model", "breaks", "map", "rebuild"];

/// Dynamics has far larger forces than this tolerance, kcal/mol/Å.
const MINIMIZATION: Minimization = Minimization { most_steps: 5000, tolerance: 0.5 };

/// A force field without angles lets a long minimization straighten some of them. Torsions have a
/// kink there, where no minimization converges. This tolerance, kcal/mol/Å, is half of the forces
/// in dynamics.
const WITH_FORCE_FIELD: Minimization = Minimization { tolerance: 5.0, ..MINIMIZATION };

fn minimization(options: &Options) -> Minimization {
    if options.force_field.is_some() { WITH_FORCE_FIELD } else { MINIMIZATION }
}

fn origin() -> ArgGroup {
    ArgGroup::new("origin").args(["file", "sequence"]).required(true)
}

/// The options that apply only to sequences.
fn of_sequence() -> ArgGroup {
    let place = ["backend", "adapter", "portable", "trust_device", "filter", "table_tolerance"];
    ArgGroup::new("of_sequence").args(["random_coil", "no_minimize"]).args(place).multiple(true)
}

impl SequenceOptions {
    /// The amino acids of all chains.
    fn chains(&self) -> crate::Result<Vec<Vec<AminoAcid>>> {
        let mut chains = Vec::new();
        for text in &self.sequence {
            chains.extend(match text.contains(['.', '/', '\\']) {
                true => prepare::read_fasta(Path::new(text))?,
                false => prepare::parse_sequence(text)?,
            });
        }
        Ok(chains)
    }

    fn start(&self) -> Start {
        match self.random_coil {
            Some(n) => Start::RandomCoil { n, seed: self.seed },
            None => Start::Extended,
        }
    }
}

/// The choices that the structure file leaves open.
#[derive(Args)]
struct Choices {
    /// Beads: five per residue (N, CA, CB, C, O) or one (CA); the model's priors tell it
    #[arg(long, value_parser = mapping, value_name = "five_bead|ca")]
    mapping: Option<Mapping>,
    /// Take only these chains, separated by commas; _ is a chain without a letter
    #[arg(long, value_delimiter = ',', value_name = "LETTERS")]
    chain: Vec<String>,
    /// Take the model with this number, or all as structures of one system; the default is the
    /// first
    #[arg(long, value_name = "N|all", default_value = "first", hide_default_value = true)]
    pdb_model: String,
    /// Where a chain is broken, simulate separate chains (split) or bond the ends (bond)
    #[arg(long, value_enum, value_name = "HOW")]
    breaks: Option<BreakOption>,
    /// Treat residues of one name as one of the 20 amino acids, for example SEP=SER
    #[arg(long, value_parser = replacement, value_delimiter = ',', value_name = "NAME=AMINO")]
    map: Vec<(String, AminoAcid)>,
    /// Place missing atoms by ideal geometry
    #[arg(long, value_enum, value_delimiter = ',', value_name = "cb,o")]
    rebuild: Vec<Rebuild>,
    /// Go on if the priors have no parameters for some tuples, whose energy is then zero
    #[arg(long)]
    allow_missing_priors: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum BreakOption {
    Split,
    Bond,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rebuild {
    Cb,
    O,
}

fn mapping(text: &str) -> Result<Mapping, String> {
    Mapping::from_name(text).ok_or_else(|| "five_bead or ca".to_owned())
}

fn replacement(text: &str) -> Result<(String, AminoAcid), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let amino = pair.and_then(|(name, amino)| Some((name, AminoAcid::from_name(amino)?)));
    let upper = |(name, amino): (&str, AminoAcid)| (name.to_ascii_uppercase(), amino);
    amino.map(upper).ok_or_else(|| "NAME=AMINO with one of the 20, for example SEP=SER".to_owned())
}

impl Choices {
    /// Refuses two amino acids for one name.
    fn check(&self) -> anyhow::Result<()> {
        for (k, (name, amino)) in self.map.iter().enumerate() {
            let is_other = |(n, a): &&(String, AminoAcid)| n == name && a != amino;
            if let Some((_, other)) = self.map[..k].iter().find(is_other) {
                let found = format!("{name}={} and {name}={}", other.name(), amino.name());
                return Err(Error::invalid("--map", found, "one amino acid for each name").into());
            }
        }
        Ok(())
    }

    fn options(&self, force_field: Option<Arc<ForceField>>) -> Options {
        Options {
            mapping: self.mapping,
            force_field,
            chains: self.chain.clone(),
            model: inputs::model_choice(&self.pdb_model),
            breaks: match self.breaks {
                None => Breaks::Refuse,
                Some(BreakOption::Split) => Breaks::Split,
                Some(BreakOption::Bond) => Breaks::Bond,
            },
            map: self.map.iter().cloned().collect::<BTreeMap<_, _>>(),
            rebuild_cb: self.rebuild.contains(&Rebuild::Cb),
            rebuild_o: self.rebuild.contains(&Rebuild::O),
            allow_missing_priors: self.allow_missing_priors,
        }
    }
}

impl Prepare {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.choices.check()?;
        if self.output.extension().is_some_and(|extension| extension == "psf") {
            let expected = "another name for the structures; --psf FILE writes the topology";
            let found = printable(self.output.display());
            return Err(Error::invalid("--output", found, expected).into());
        }
        let pdb = beside(&self.output);
        let report = self.report.as_ref().and_then(Option::as_deref);
        let psf = self.psf.as_deref();
        for file in [Some(&*self.output), Some(&*pdb), psf, report].into_iter().flatten() {
            check_free(file)?;
        }
        let Parts { model, force_field, .. } =
            inputs::load_parts(&self.model, self.priors.as_deref())?;
        if psf.is_some() && force_field.is_none() {
            let advice = "a model of TorchMD has a topology; --priors takes its force field";
            return Err(
                Error::unsupported("--psf for a model without a force field", advice).into()
            );
        }
        let options = self.choices.options(force_field);
        let (origin, prepared) = self.prepare(&options, &model)?;

        let digest = model_digest(prepared.model(&model))?;
        let provenance = prepared.provenance(origin, &digest, &options);
        let beads = topology_pdb(&prepared.molecule, &prepared.structures[0].positions);
        let mut texts = vec![(&*pdb, beads)];
        if let Some(path) = psf {
            let topology = &prepared.structures[0].topology;
            texts.push((path, Psf::of_topology(topology)?.text(&topology.masses)));
        }
        texts.extend(report.map(|path| (path, prepared.report())));
        let mut files: Vec<&Path> = Vec::new();
        let write = || -> crate::Result<()> {
            write_with_provenance(&self.output, &prepared.structures, Some(provenance))?;
            files.push(&self.output);
            for (path, text) in &texts {
                write_new(path, text.as_bytes())?;
                files.push(path);
            }
            Ok(())
        };
        if let Err(error) = write() {
            // One file without the others would be in the way of the next try.
            files.iter().for_each(|file| drop(std::fs::remove_file(file)));
            return Err(error.into());
        }
        tell::print_beside(&files, |out| self.print(out, origin, &prepared, &files))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The structures, and where they come from.
    fn prepare(&self, options: &Options, model: &Model) -> crate::Result<(Origin<'_>, Prepared)> {
        if let Some(file) = &self.file {
            return Ok((Origin::File(file), prepare::prepare(file, options, model)?));
        }
        let (chains, start) = (self.sequence.chains()?, self.sequence.start());
        let minimization = (!self.sequence.no_minimize).then_some(minimization(options));
        let origin = Origin::Sequence { start, minimization };
        let built = prepare::prepare_sequences(&chains, start, options, model)?;
        let Some(minimization) = &minimization else { return Ok((origin, built)) };
        let place = &self.sequence.place;
        let backend = place.finish(place.open_or(BackendName::Cpu)?, Precision::F32)?;
        let (minimized, results) = built.minimize(minimization, &backend, options, model)?;
        let (line, is_complete) = minimization_summary(&results);
        tell!("{line}");
        if !is_complete {
            log::warn!("some structures did not converge in the minimization");
        }
        Ok((origin, minimized))
    }

    fn print(
        &self,
        out: &mut impl Write,
        origin: Origin,
        prepared: &Prepared,
        files: &[&Path],
    ) -> std::io::Result<()> {
        write!(out, "{}", with_flags(prepared.summary(origin)))?;
        if let Some(None) = self.report {
            write!(out, "{}", prepared.report())?;
        }
        let n_beads = prepared.structures[0].positions.len();
        let mapping = prepared.coarse.mapping.name();
        let mut names: Vec<String> = files.iter().map(|file| printable(file.display())).collect();
        let structures = match prepared.structures.len() {
            1 => String::new(),
            n => format!("{n} structures of "),
        };
        let plural = if n_beads == 1 { "" } else { "s" };
        names[0] += &format!(" ({structures}{n_beads} bead{plural}, {mapping})");
        writeln!(out, "wrote {}", listed(&names))
    }
}

/// The name of the PDB file of the beads.
fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".safetensors").unwrap_or(&name);
    let stem =
        [".structures", ".system"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem);
    output.with_file_name(format!("{stem}_cg.pdb"))
}
