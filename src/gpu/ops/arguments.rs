//! Checks of the arguments of operations. Kernels run without bounds checks, so that an index or a
//! length from a caller must be right before a kernel sees it.

use crate::error::{Error, Result};
use crate::model::schnet::{Linear, SchNet};
use crate::ops::{Dense, Graph};

/// Refuses an array of another length than expected.
pub(super) fn check_len(what: &str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::invalid(what, format!("{found} elements"), expected.to_string())),
    }
}

/// Refuses a graph whose rows or senders are out of range.
pub(super) fn check_graph(graph: &Graph, n_beads: usize) -> Result<()> {
    let Graph { row_ptr, col } = graph;
    check_len("row_ptr", row_ptr.len(), n_beads + 1)?;
    let ends = (row_ptr.first().copied(), row_ptr.last().map(|end| *end as usize));
    if ends != (Some(0), Some(col.len())) || !row_ptr.is_sorted() {
        let expected = format!("ascending numbers from 0 to {}", col.len());
        return Err(Error::invalid("row_ptr", "other numbers", expected));
    }
    match col.iter().find(|sender| **sender as usize >= n_beads) {
        Some(sender) => Err(Error::invalid("col", sender, format!("a bead below {n_beads}"))),
        None => Ok(()),
    }
}

/// Refuses replicas that do not consist of the beads in order.
pub(super) fn check_replicas(first_bead: &[usize], n_beads: usize) -> Result<()> {
    let ends = (first_bead.first().copied(), first_bead.last().copied());
    match ends == (Some(0), Some(n_beads)) && first_bead.is_sorted() {
        true => Ok(()),
        false => {
            let expected = format!("ascending numbers from 0 to {n_beads}");
            Err(Error::invalid("first_bead", "other numbers", expected))
        }
    }
}

/// Refuses a network with wrong shapes, or without the block.
pub(super) fn check_block(schnet: &SchNet, block: usize) -> Result<()> {
    schnet.check()?;
    let n_blocks = schnet.interactions.len();
    match block < n_blocks {
        true => Ok(()),
        false => Err(Error::invalid("block", block, format!("a block below {n_blocks}"))),
    }
}

/// Refuses a layer, or arrays for it, with wrong shapes. Returns the number of rows of `x`.
pub(super) fn check_dense(layer: &Linear, mode: &Dense, x: &[f64]) -> Result<usize> {
    let Linear { n_in, n_out, .. } = *layer;
    if n_in == 0 || n_out == 0 {
        return Err(Error::invalid("layer", format!("{n_in} to {n_out} channels"), "at least one"));
    }
    check_len("weight", layer.weight.len(), n_in.saturating_mul(n_out))?;
    if let Some(bias) = &layer.bias {
        check_len("bias", bias.len(), n_out)?;
    }
    let forward = matches!(mode, Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..));
    let (from, to) = if forward { (n_in, n_out) } else { (n_out, n_in) };
    let rows = x.len() / from;
    check_len("x", x.len(), rows * from)?;
    match mode {
        Dense::ActivateAdd(_, of_output)
        | Dense::TransposedSlope(_, of_output)
        | Dense::TransposedAdd(of_output) => {
            check_len("residual or pre-activations", of_output.len(), rows * to)?;
        }
        Dense::Linear | Dense::Activate(_) | Dense::Transposed => {}
    }
    Ok(rows)
}
