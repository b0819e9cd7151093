//! `flashschnet import`: converts pickled files of mlcg, flashmd and TorchMD to native files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::printable;
use crate::io::check_free;
use crate::io::native::{write_model, write_structures};
use crate::model::{Model, PriorParameters};
use crate::prepare::Options;
use crate::structure::Structure;
use clap::Args;

use super::inputs::{self, Files, unlimited};
use super::tell::{self, tell};
use super::torchmd::{Loaded, TopologyOptions};

/// Convert .pt and .ckpt files of mlcg, flashmd and TorchMD to native files.
///
/// Writes OUT.model.safetensors and, if there are structures, OUT.structures.safetensors. Code in a
/// pickle is never executed. A specialised model file also contains the structures. With
/// --topology, the model is that of TorchMD for one molecule, and STRUCTURES are the starts.
#[derive(Args)]
pub(super) struct Import {
    /// Model file: model_and_prior.pt, a specialised model, priors alone, or a .ckpt
    #[arg(value_name = "MODEL.pt")]
    model: PathBuf,
    /// Structure file: a list of AtomicData, or what prepare writes; with --topology an XTC, DCD,
    /// .npy, PDB or mmCIF file
    #[arg(value_name = "STRUCTURES.pt")]
    structures: Option<PathBuf>,
    /// Prior file, for a model file that holds only a network; for one of TorchMD its force field
    /// (YAML), which gives the molecule of the structures its priors
    #[arg(long, value_name = "FILE")]
    priors: Option<PathBuf>,
    #[command(flatten)]
    torchmd: TopologyOptions,
    /// Prefix of the names of the new files
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let model_path = with_ending(&self.output, ".model.safetensors");
        let structures_path = with_ending(&self.output, ".structures.safetensors");
        check_free(&model_path)?;
        check_free(&structures_path)?;
        let (priors, structures) = (self.priors.as_deref(), self.structures.as_slice());
        let of_topology =
            self.torchmd.load(&self.model, priors, structures, &Options::default()).transpose()?;
        let Files { model, structures, neighbor_limit } = match of_topology {
            Some(Loaded { model, structures, neighbor_limit, .. }) => {
                Files { model, structures: Some(structures), neighbor_limit }
            }
            None => inputs::load(&self.model, priors, structures, None)?,
        };
        if let Some(limit) = neighbor_limit {
            tell!("note: {}", unlimited(limit));
        }
        write_model(&model_path, &model)?;
        if let Some(structures) = &structures
            && let Err(error) = write_structures(&structures_path, structures)
        {
            // One file without the other would be in the way of the next try.
            let _ = std::fs::remove_file(&model_path);
            return Err(error.into());
        }
        let mut files = vec![&*model_path];
        files.extend(structures.is_some().then_some(&*structures_path));
        tell::print_beside(&files, |out| {
            writeln!(out, "{}", summary(&model))?;
            if let Some(structures) = &structures {
                writeln!(out, "{}", summary_of_structures(structures))?;
            }
            files.iter().try_for_each(|file| writeln!(out, "{}", printable(file.display())))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn summary(model: &Model) -> String {
    let mut lines = Vec::new();
    match &model.schnet {
        Some(schnet) => lines.push(format!(
            "network: {} blocks, {} channels, {} filters, {} radial functions, cutoff {} Å, {} types",
            schnet.interactions.len() - usize::from(schnet.neighbor_embedding.is_some()),
            schnet.n_hidden,
            schnet.n_filters(),
            schnet.radial_basis.n_rbf(),
            schnet.neighbor_radius(),
            schnet.n_types
        )),
        None => lines.push("network: none".into()),
    }
    for prior in &model.priors {
        let rows = match &prior.parameters {
            PriorParameters::Keyed { keys, .. } => format!("{} type keys", keys.len()),
            PriorParameters::PerTuple { values } => {
                format!("{} tuples", values.len() / prior.form.n_parameters())
            }
        };
        lines.push(format!("prior {}: {}, {rows}", prior.name, prior.form.name()));
    }
    lines.join("\n")
}

fn summary_of_structures(structures: &[Structure]) -> String {
    let sizes = structures.iter().map(|structure| structure.positions.len());
    let (least, most) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
    let beads = if least == most { format!("{most}") } else { format!("{least} to {most}") };
    format!("structures: {} of {beads} beads", structures.len())
}
