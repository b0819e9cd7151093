//! The forward and backward pass of SchNet, as the list of operations of one force evaluation.

use super::cfconv::{cfconv_backward, cfconv_forward};
use super::dense::dense;
use super::neighbor::{Pairs, neighbor_list};
use super::table::tabulated_filters;
use crate::crowd;
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::model::filter::{Filters, filters};
use crate::model::schnet::SchNet;
use crate::ops::{Dense, Graph};

/// The bytes of a pair: its edges, their numbers and distance, and the values and slopes of its
/// filters in every block.
fn pair_bytes(schnet: &SchNet) -> u64 {
    let filters = 16 * schnet.n_filters() * schnet.interactions.len();
    (200 + filters) as u64
}

/// The directed edges of one replica within the network's radius.
///
/// # Errors
/// [`Error::TooManyNeighbors`] with replica 0; the caller sets the right number. See also
/// [`crowd::check`].
pub(super) fn graph(schnet: &SchNet, positions: &[[f64; 3]]) -> Result<Graph> {
    let (radius, limit) = (schnet.neighbor_radius(), schnet.max_num_neighbors);
    crowd::check(positions, (radius, limit), radius, pair_bytes(schnet))?;
    let graph = neighbor_list(positions, &[0, positions.len()], radius);
    if let Some(limit) = limit {
        for bead in 0..positions.len() {
            let found = graph.row(bead).len() as u32;
            if found > limit {
                let bead = bead as u32;
                return Err(Error::TooManyNeighbors { replica: 0, bead, found, limit });
            }
        }
    }
    Ok(graph)
}

/// The arrays of one replica that the backward pass uses again.
struct Kept {
    graph: Graph,
    pairs: Pairs,
    /// Filters, y and z of each block.
    blocks: Vec<(Filters, Vec<f64>, Vec<f64>)>,
    /// The inputs of the layers of the readout, before the activation.
    inputs: Vec<Vec<f64>>,
}

/// The network's energy of each bead of one replica. Filters come from the table if there is one.
/// `with_slopes` evaluates the slopes of the filters, which the backward pass needs.
fn forward(
    schnet: &SchNet,
    table: Option<&FilterTable>,
    types: &[u32],
    positions: &[[f64; 3]],
    with_slopes: bool,
) -> Result<(Vec<f64>, Kept)> {
    let graph = graph(schnet, positions)?;
    let pairs = Pairs::new(&graph, positions);
    let act = schnet.activation;

    let of_types = |rows: &[f64]| -> Vec<f64> {
        let width = rows.len() / schnet.n_types;
        types.iter().flat_map(|z| &rows[*z as usize * width..][..width]).copied().collect()
    };
    let mut h = of_types(&schnet.embedding);
    let mut blocks = Vec::new();
    for (b, block) in schnet.interactions.iter().enumerate() {
        let filters = match table {
            Some(table) => tabulated_filters(table, schnet.n_filters(), b, &pairs.distance),
            None => filters(schnet, b, &pairs.distance, with_slopes),
        };
        let y = match &schnet.neighbor_embedding {
            Some(features) if b == 0 => of_types(features),
            _ => dense(&block.lin1, Dense::Linear, &h),
        };
        let m = cfconv_forward(&graph, &pairs, &filters, &y);
        let z = dense(&block.lin2, Dense::Linear, &m);
        h = dense(&block.lin, Dense::ActivateAdd(schnet.activation_of(b), &h), &z);
        blocks.push((filters, y, z));
    }
    let mut inputs: Vec<Vec<f64>> = Vec::new();
    let mut u = h;
    for (l, layer) in schnet.readout.iter().enumerate() {
        let mode = if l == 0 { Dense::Linear } else { Dense::Activate(act) };
        let next = dense(layer, mode, &u);
        inputs.push(std::mem::replace(&mut u, next));
    }
    Ok((u, Kept { graph, pairs, blocks, inputs }))
}

/// The network's energy of each bead, for one replica.
pub(super) fn energies(
    schnet: &SchNet,
    table: Option<&FilterTable>,
    types: &[u32],
    positions: &[[f64; 3]],
) -> Result<Vec<f64>> {
    forward(schnet, table, types, positions, false).map(|(bead_energy, _)| bead_energy)
}

/// The network's energy of each bead and the force on each bead, for one replica.
pub(super) fn network(
    schnet: &SchNet,
    table: Option<&FilterTable>,
    types: &[u32],
    positions: &[[f64; 3]],
) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
    let (bead_energy, kept) = forward(schnet, table, types, positions, true)?;
    let Kept { graph, pairs, blocks, inputs } = kept;
    let act = schnet.activation;

    let mut grad = vec![1.0; bead_energy.len()];
    for (l, layer) in schnet.readout.iter().enumerate().rev() {
        let slope = Dense::TransposedSlope(act, &inputs[l]);
        grad = dense(layer, if l == 0 { Dense::Transposed } else { slope }, &grad);
    }
    let mut forces = vec![[0.0; 3]; types.len()];
    for (b, (block, (filters, y, z))) in schnet.interactions.iter().zip(&blocks).enumerate().rev() {
        let slope = Dense::TransposedSlope(schnet.activation_of(b), z);
        let grad_z = dense(&block.lin, slope, &grad);
        let grad_m = dense(&block.lin2, Dense::Transposed, &grad_z);
        let (grad_y, force) = cfconv_backward(&graph, &pairs, filters, positions, y, &grad_m);
        grad = dense(&block.lin1, Dense::TransposedAdd(&grad), &grad_y);
        for (sum, force) in forces.iter_mut().zip(force) {
            for (sum, force) in sum.iter_mut().zip(force) {
                *sum += force;
            }
        }
    }
    Ok((bead_energy, forces))
}
