//! The parts of the state in a checkpoint that belong to biases: hills, and the work of moving centers.

use super::contents::Contents;
use crate::bias::Bias;
use crate::engine::{Dynamics, State, Work};
use crate::error::Result;
use crate::io::{Reader, Writer};

/// Writes the tensors.
pub(super) fn write(dynamics: &Dynamics, state: &State, writer: &mut Writer) {
    let State { hills, work, .. } = state;
    if dynamics.metadynamics.is_some() {
        writer.numbers("hills", &[hills.len(), 4], hills.as_flattened());
    }
    if !work.is_empty() {
        let all: Vec<f64> = work.values().flatten().copied().collect();
        writer.numbers("work", &[work.len(), dynamics.replica_ids.len()], &all);
    }
}

/// The hills and the work.
///
/// # Errors
/// A tensor is missing, or has another shape.
pub(super) fn read(
    contents: &Contents,
    n_replicas: usize,
    reader: &mut Reader,
) -> Result<(Vec<[f64; 4]>, Work)> {
    let hills = match contents.metadynamics {
        Some(_) => reader.numbers("hills", &[None, Some(4)])?.as_chunks().0.to_vec(),
        None => Vec::new(),
    };
    let mut moving: Vec<_> = contents.biases.iter().filter(|bias| bias.moves()).collect();
    moving.sort_by_key(|bias| &bias.name);
    if moving.is_empty() || n_replicas == 0 {
        return Ok((hills, Work::new()));
    }
    let all = reader.numbers("work", &[Some(moving.len()), Some(n_replicas)])?;
    let of_bias = |(bias, work): (&&Bias, &[f64])| (bias.name.clone(), work.to_vec());
    Ok((hills, moving.iter().zip(all.chunks(n_replicas)).map(of_bias).collect()))
}
