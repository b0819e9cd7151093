//! Loading of TorchMD's models: a checkpoint, a force field, a topology and positions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashschnet::Result;
use flashschnet::error::{Error, OfFile, printable};
use flashschnet::io::Trajectory;
use flashschnet::io::force_field::{Choice, ForceField, Psf, priors};
use flashschnet::io::import::{Import, combine};
use flashschnet::model::Model;
use flashschnet::structure::{Structure, Topology};

/// The model of a network with the priors that a force field gives to a topology, and a structure for
/// each frame of the given files.
pub(super) fn load(
    network: Import,
    field: &Path,
    psf: &Path,
    frames: &[PathBuf],
) -> Result<(Model, Vec<Structure>)> {
    let (field, molecule) = (ForceField::read(field)?, Psf::read(psf)?);
    let (priors, lists) = priors(&field, &molecule, &Choice::default()).of_file(psf)?;
    let priors = Import { model: Some(Model { schnet: None, priors }), structures: None };
    let model = combine(network, priors)?;
    let (types, masses) = (molecule.types().of_file(psf)?, field.masses(&molecule)?);
    let topology = Arc::new(Topology { types, masses, lists });
    let mut structures = Vec::new();
    for path in frames {
        let mut trajectory = Trajectory::open(path, molecule.n_beads())?;
        while let Some(positions) = trajectory.read()? {
            let topology = Arc::clone(&topology);
            structures.push(Structure {
                topology,
                positions: centered(positions),
                velocities: None,
            });
        }
        log::info!("{}: a box in this file is not used", printable(path.display()));
    }
    match structures.is_empty() {
        true => Err(Error::invalid("structures", "no frames", "at least one")),
        false => Ok((model, structures)),
    }
}

/// The positions with their center in the origin. All-atom simulations leave a protein far from it,
/// where single precision loses digits.
fn centered(mut positions: Vec<[f64; 3]>) -> Vec<[f64; 3]> {
    for c in 0..3 {
        let center = positions.iter().map(|x| x[c]).sum::<f64>() / positions.len() as f64;
        positions.iter_mut().for_each(|x| x[c] -= center);
    }
    positions
}
