//! `flashschnet info --precision`: the effect of 16-bit storage on a network.

use std::io::Write;

use crate::diagnose::precision::{AtStructure, Loss, Losses, Range, Tensor};
use serde::Serialize;

/// The report, in the form of its JSON.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) model: String,
    pub(super) tensors: Vec<Tensor>,
    /// The device that evaluated the structures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) structures: Vec<AtStructure>,
}

/// The explanation of the columns.
const LEGEND: &str = "\
Each format has two errors, the rms and the largest, relative to the rms of a channel's values.
bits: log2 of the ratio of the largest to the smallest nonzero value, in the widest channel
f16: a 16-bit float, with one power of two as the scale factor of the tensor
f16/channel: the same, with a scale factor for each channel
snorm/channel: a normalised 16-bit integer, in units of the channel's largest value
f16 pair: the sum of two 16-bit floats
packed: four coefficients of a filter table in 64 bits
mixed: the format in mixed precision on a GPU with tensor cores; without them, f16 pair becomes
    snorm/channel, and f16 becomes f32. A dash: not stored, because filter tables replace the
    filter networks, or because the first lin1 is applied to the embedding in advance";

impl Report {
    pub(super) fn print_tensors(
        &self,
        out: &mut impl Write,
        with_channels: bool,
    ) -> std::io::Result<()> {
        writeln!(out, "{}", self.model)?;
        let heads = ["f16", "f16/channel", "snorm/channel", "f16 pair", "packed"];
        let heads: String = heads.iter().map(|head| format!("  {head:>15}")).collect();
        writeln!(out, "{:<15} {:>9} {:>5}{heads}  mixed", "tensor", "shape", "bits")?;
        for tensor in &self.tensors {
            let Losses { f16, f16_by_channel, snorm_by_channel, f16_pair, packed } = tensor.losses;
            let losses =
                [Some(f16), Some(f16_by_channel), Some(snorm_by_channel), Some(f16_pair), packed];
            let losses: String =
                losses.iter().map(|loss| format!("  {:>15}", cell(*loss))).collect();
            let shape = tensor.shape.map(|n| n.to_string()).join("x");
            let bits = tensor.widest().map_or(0.0, |range| range.bits);
            let (name, stored) = (&tensor.name, tensor.stored.name());
            writeln!(out, "{name:<15} {shape:>9} {bits:>5.1}{losses}  {stored}")?;
            let channels = if with_channels { &tensor.channels[..] } else { &[] };
            for (c, Range { largest, smallest, rms, bits }) in channels.iter().enumerate() {
                writeln!(
                    out,
                    "    channel {c:<5} {smallest:>8.1e} to {largest:>8.1e}, rms {rms:>8.1e}, \
                     {bits:>5.1} bits"
                )?;
            }
        }
        writeln!(out, "{LEGEND}")
    }

    pub(super) fn print_structures(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Some(device) = &self.device else { return Ok(()) };
        writeln!(out, "\nthe network in mixed precision against f64 and exact filters; {device}")?;
        writeln!(
            out,
            "{:>9} {:>7} {:>14} {:>10} {:>12} {:>12} {:>12}",
            "structure", "beads", "energy", "offset", "rms force", "rms error", "worst error"
        )?;
        for (s, at) in self.structures.iter().enumerate() {
            let AtStructure { n_beads, energy, energy_offset, force, force_rms, force_worst } = at;
            writeln!(
                out,
                "{s:>9} {n_beads:>7} {energy:>14.6} {energy_offset:>10.1e} {force:>12.6} \
                 {force_rms:>12.1e} {force_worst:>12.1e}"
            )?;
        }
        writeln!(
            out,
            "Energies are in kcal/mol. rms force is over components, in kcal/mol/Å; the errors of \
             forces are relative to it."
        )
    }
}

fn cell(loss: Option<Loss>) -> String {
    loss.map_or_else(|| "-".to_owned(), |loss| format!("{:.1e} {:.1e}", loss.rms, loss.worst))
}
