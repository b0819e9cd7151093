//! Free energies, and the melting curve.

use std::path::Path;

use crate::analysis::statistics::mbar::Mbar;
use crate::analysis::statistics::melting::{MIDPOINT, MeltingTemperature, melting, temperatures};
use crate::analysis::statistics::profile::{Bins, of_blocks, of_temperatures};
use crate::{Result, units};

use super::ensemble::{Ensemble, Weighing};
use super::log::Log;
use super::options::Analyze;
use super::summary::Summary;
use super::table::{Cell, Table, cells};
use crate::cli::report::UNCONVERGED;

/// The temperatures of a melting curve.
const CURVE: usize = 41;

/// Writes the free energies, and the melting curve if there is one.
pub(super) fn write(
    options: &Analyze,
    ensemble: &Ensemble,
    weighing: &Weighing,
    folder: &Path,
    log: &mut Log,
    summary: &mut Summary,
) -> Result<()> {
    if let Weighing::Unknown = weighing {
        return Ok(());
    }
    write_profiles(options, ensemble, weighing, folder, log)?;
    match weighing {
        Weighing::Mbar(mbar) => write_melting(ensemble, mbar, folder, log, summary),
        _ => Ok(()),
    }
}

/// Coordinates of a free energy with their bins.
struct Profile<'a> {
    names: Vec<&'static str>,
    values: Vec<&'a [f64]>,
    bins: Vec<Bins>,
}

impl Profile<'_> {
    fn coordinates(&self) -> Vec<(&[f64], &Bins)> {
        self.values.iter().copied().zip(&self.bins).collect()
    }
}

fn write_profiles(
    options: &Analyze,
    ensemble: &Ensemble,
    weighing: &Weighing,
    folder: &Path,
    log: &mut Log,
) -> Result<()> {
    let mut profiles = Vec::new();
    for columns in &ensemble.profiles {
        let n_bins = if columns.len() == 1 { options.bins } else { options.bins.div_ceil(2) };
        let names: Vec<&str> = columns.iter().map(|column| ensemble.names[*column]).collect();
        let values: Vec<&[f64]> =
            columns.iter().map(|column| &ensemble.samples.columns[*column][..]).collect();
        match values.iter().map(|values| Bins::covering(values, n_bins)).collect() {
            Some(bins) => {
                let bins: Vec<Bins> = bins;
                for ((name, values), bins) in names.iter().zip(&values).zip(&bins) {
                    let n = bins.outside(values);
                    if n > 0 {
                        log.note(format!("{n} samples of {name} are beyond the bins"));
                    }
                }
                profiles.push(Profile { names, values, bins });
            }
            None => log.note(format!("no free energy of {}: it is constant", names.join(", "))),
        }
    }
    let coordinates: Vec<_> = profiles.iter().map(Profile::coordinates).collect();
    let targets = ensemble.targets();
    let all = match weighing {
        Weighing::Mbar(mbar) => {
            let coordinates: Vec<_> = coordinates.iter().map(Vec::as_slice).collect();
            let energies = &ensemble.samples.potential;
            of_temperatures(mbar, energies, &ensemble.temperatures, &coordinates)
        }
        _ => {
            let kt = targets[0].map_or(1.0, |kelvin| 1.0 / units::beta(kelvin));
            let of = |coordinates: &Vec<_>| of_blocks(&ensemble.blocks, coordinates, kt);
            vec![coordinates.iter().map(of).collect()]
        }
    };
    for (p, profile) in profiles.iter().enumerate() {
        let unit = if targets[0].is_some() { "kcal_per_mol" } else { "kT" };
        let mut table = Table::new(targets[0].map(|_| "temperature_K"));
        table.columns.extend(profile.names.iter().map(|name| (*name).to_owned()));
        table.columns.extend([format!("free_energy_{unit}"), format!("error_{unit}")]);
        for (target, of_target) in targets.iter().zip(&all) {
            for (bin, estimate) in of_target[p].iter().enumerate() {
                if estimate.is_none() {
                    continue;
                }
                let mut row: Vec<Cell> = target.map(Cell::from).into_iter().collect();
                let (mut rest, mut centers) = (bin, Vec::new());
                for bins in profile.bins.iter().rev() {
                    centers.push(bins.centers()[rest % bins.count()]);
                    rest /= bins.count();
                }
                row.extend(centers.into_iter().rev().map(Cell::from));
                row.extend(cells(*estimate));
                table.rows.push(row);
            }
        }
        table.write(folder, &format!("free_energy_{}", profile.names.join("_")))?;
    }
    Ok(())
}

fn write_melting(
    ensemble: &Ensemble,
    mbar: &Mbar,
    folder: &Path,
    log: &mut Log,
    summary: &mut Summary,
) -> Result<()> {
    let [lowest, .., highest] = ensemble.temperatures[..] else { return Ok(()) };
    let q = ensemble.names.iter().position(|name| *name == "q");
    let q = q.map(|column| &ensemble.samples.columns[column][..]);
    let range = temperatures(lowest, highest, CURVE);
    let curve = melting(mbar, &ensemble.samples.potential, q, &range, MIDPOINT)?;
    let mut table = Table::new([
        "temperature_K",
        "q",
        "q_error",
        "potential_kcal_per_mol",
        "potential_error_kcal_per_mol",
        "heat_capacity_kcal_per_mol_K",
        "heat_capacity_error_kcal_per_mol_K",
    ]);
    for point in &curve.points {
        let mut row = vec![point.temperature.into()];
        for estimate in [point.q, point.potential, point.heat_capacity] {
            row.extend(cells(estimate));
        }
        table.rows.push(row);
    }
    table.write(folder, "melting")?;
    let mut table = Table::new(["definition", "temperature_K", "error_K"]);
    let found = [("heat_capacity", Some(curve.heat_capacity)), ("q", curve.q)];
    for (definition, found) in found.into_iter() {
        match found {
            None => {}
            Some(MeltingTemperature::Found(mut estimate)) => {
                if let Some(doubts) = summary.doubts() {
                    estimate.error = None;
                    // The user reads it beside the number.
                    log.note(format!("warning: {UNCONVERGED}{definition}: {doubts}"));
                }
                let [value, error] = cells(Some(estimate));
                table.rows.push(vec![definition.into(), value, error]);
                summary.melting(definition, estimate);
            }
            Some(MeltingTemperature::AtEdge(kelvin)) => log.note(format!(
                "no melting temperature by {definition}: the extreme is at the end of the range, \
                 {kelvin} K"
            )),
            Some(MeltingTemperature::Absent) => log.note(format!(
                "no melting temperature by {definition}: none between {lowest} and {highest} K"
            )),
        }
    }
    table.write(folder, "melting_temperatures")
}
