//! The options of a topology: the molecule, the terms of its force field, and its bead types.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::{Error, printable};
use crate::io::force_field::{Choice, Exclusions, Psf, TERMS};
use crate::io::read_npy_types;
use clap::Args;
use serde::{Deserialize, Serialize};

/// A molecule of TorchMD.
#[derive(Args, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct TopologyOptions {
    /// Topology of TorchMD. --priors is a force field (YAML) then, and --structures are XTC, DCD,
    /// .npy, PDB or mmCIF files, whose frames start the replicas in turn
    #[arg(long, value_name = "FILE.psf", requires_all = ["priors", "structures"])]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) topology: Option<PathBuf>,
    /// Terms of the force field, in any case, or none: bonds, angles, dihedrals, impropers and
    /// repulsioncg
    /// [default: Bonds,RepulsionCG,Dihedrals, the published ones]
    #[arg(long, value_parser = term, value_delimiter = ',', value_name = "LIST", requires = "topology")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forceterms: Vec<String>,
    /// Pairs without repulsion, or none: bonds, angles and 1-4. A name acts if its term is computed
    /// too and the topology has its tuples [default: bonds, the published one]
    #[arg(long, value_parser = exclusion, value_name = "LIST", requires = "topology")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exclusions: Vec<String>,
    /// Bead types, as numbers or in a .npy file [default: those of the published networks, by
    /// residue]
    #[arg(long, value_parser = Embeddings::parse, value_name = "N,...|FILE.npy", requires = "topology")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embeddings: Option<Embeddings>,
}

/// Bead types.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) enum Embeddings {
    /// One for each bead.
    List(Vec<u32>),
    /// A `.npy` file with them.
    File(PathBuf),
}

impl Embeddings {
    /// Parses numbers with commas between them, or the path of a file.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        if Self::is_path(text) {
            return Ok(Embeddings::File(text.into()));
        }
        let types = text.split(',').map(|number| number.trim().parse().ok());
        let types: Option<Vec<u32>> = types.collect();
        types.map(Embeddings::List).ok_or_else(|| "whole numbers >= 0, or a .npy file".to_owned())
    }

    /// Whether a text is the path of a file.
    pub(in crate::cli) fn is_path(text: &str) -> bool {
        let is_of_numbers = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.,".contains(c);
        !text.chars().all(is_of_numbers)
    }
}

/// The word for an empty list.
const NONE: &str = "none";

/// The names of torchmd's exclusions.
const EXCLUSIONS: [&str; 3] = ["bonds", "angles", "1-4"];

impl TopologyOptions {
    /// Whether no option is given.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names of the options, and whether they are given.
    pub(in crate::cli) fn in_use(&self) -> [(&'static str, bool); 4] {
        [
            ("--topology", self.topology.is_some()),
            ("--forceterms", !self.forceterms.is_empty()),
            ("--exclusions", !self.exclusions.is_empty()),
            ("--embeddings", self.embeddings.is_some()),
        ]
    }

    /// The files of the options.
    pub(in crate::cli) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let embeddings = self.embeddings.as_ref().and_then(|embeddings| match embeddings {
            Embeddings::File(path) => Some(path),
            Embeddings::List(_) => None,
        });
        self.topology.iter().chain(embeddings)
    }

    /// The same options with other paths.
    pub(in crate::cli) fn with_paths(&self, other: impl Fn(&PathBuf) -> PathBuf) -> Self {
        let mut with = self.clone();
        with.topology.iter_mut().for_each(|path| *path = other(path));
        if let Some(Embeddings::File(path)) = &mut with.embeddings {
            *path = other(path);
        }
        with
    }

    /// The terms, the excluded pairs and the bead types.
    pub(super) fn choice(&self, molecule: &Psf, topology: &Path) -> Result<Choice> {
        let types = self.types(molecule.n_beads(), topology)?;
        let mut choice = Choice { types, ..Choice::default() };
        match self.forceterms.as_slice() {
            [] => {}
            [none] if none == NONE => choice.terms = Vec::new(),
            terms => choice.terms = terms.to_vec(),
        }
        if !self.exclusions.is_empty() {
            choice.exclusions = exclusions(&self.exclusions)?;
        }
        Ok(choice)
    }

    /// The bead types that are given.
    fn types(&self, n_beads: usize, topology: &Path) -> Result<Option<Vec<u32>>> {
        let types = match &self.embeddings {
            None => return Ok(None),
            Some(Embeddings::List(types)) => types.clone(),
            Some(Embeddings::File(path)) => read_npy_types(path)?,
        };
        if types.len() == n_beads {
            return Ok(Some(types));
        }
        let topology = printable(topology.display());
        let expected = format!("{n_beads}, one for each bead of {topology}");
        let error = Error::invalid("embeddings", types.len(), expected);
        Err(match &self.embeddings {
            Some(Embeddings::File(path)) => error.of_file(path),
            _ => error,
        })
    }

    /// The choices in words, for a log.
    pub(super) fn summary(&self) -> String {
        let list = |given: &[String], default: &str| match given {
            [] => default.to_owned(),
            given => given.join(", "),
        };
        let types = match &self.embeddings {
            None => "by residue".to_owned(),
            Some(Embeddings::List(_)) => "given".to_owned(),
            Some(Embeddings::File(path)) => format!("of {}", printable(path.display())),
        };
        let published = Choice::default().terms.join(", ");
        format!(
            "force field: terms {}; exclusions {}; bead types {types}",
            list(&self.forceterms, &published),
            list(&self.exclusions, EXCLUSIONS[0])
        )
    }
}

/// Parses the name of a term.
fn term(text: &str) -> std::result::Result<String, String> {
    match text == NONE || TERMS.iter().any(|known| known.eq_ignore_ascii_case(text)) {
        true => Ok(text.to_owned()),
        false => {
            let terms = TERMS.join(", ");
            Err(format!("{NONE}, or terms of coarse-grained models: {terms}"))
        }
    }
}

/// Parses a text of exclusions.
fn exclusion(text: &str) -> std::result::Result<String, String> {
    let is_known = EXCLUSIONS.iter().any(|name| text.contains(name));
    let expected = || format!("{NONE}, or a text with {}", EXCLUSIONS.join(", "));
    (text == NONE || is_known).then(|| text.to_owned()).ok_or_else(expected)
}

/// Torchmd's exclusions. A single text stands for all names that it contains, for example
/// `('bonds')`.
fn exclusions(given: &[String]) -> Result<Exclusions> {
    match given {
        [one] if one == NONE => Ok(Exclusions::List(Vec::new())),
        [one] => Ok(Exclusions::Text(one.clone())),
        names => match names.iter().find(|name| !EXCLUSIONS.contains(&name.as_str())) {
            Some(other) => {
                let expected = format!("a list of {}", EXCLUSIONS.join(", "));
                Err(Error::invalid("--exclusions", format!("{other:?}"), expected))
            }
            None => Ok(Exclusions::List(names.to_vec())),
        },
    }
}
