//! `flashschnet info --precision`: what 16 bits do to a network.

use std::io::Write;

use flashschnet::precision::{AtStructure, Loss, Losses, Range, Tensor};
use serde::Serialize;

/// The report as JSON has it.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) model: String,
    pub(super) tensors: Vec<Tensor>,
    /// What the structures were evaluated on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) structures: Vec<AtStructure>,
}

/// What the columns mean.
const LEGEND: &str = "\
Losses are root mean square and largest, relative to the rms of a channel's own values.
bits: log2 of the largest over the smallest value but 0, in the channel with most of them
f16: a 16-bit float, one power of two for the tensor; /channel: one for each channel
snorm/channel: a normalised 16-bit integer, in parts of the channel's largest
f16 pair: two 16-bit floats; packed: coefficients of a filter table, 64 bits for four
mixed: how mixed precision stores it where there are matrix units; elsewhere layers are snorm.
    -: not at all; filters have tables instead, and beads begin with what the first lin1 makes";

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
        writeln!(out, "\nthe network in mixed precision beside f64 with exact filters; {device}")?;
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
            "Energies in kcal/mol, forces in kcal/mol/Å by component, errors in parts of rms force."
        )
    }
}

fn cell(loss: Option<Loss>) -> String {
    loss.map_or_else(|| "-".to_owned(), |loss| format!("{:.1e} {:.1e}", loss.rms, loss.worst))
}
