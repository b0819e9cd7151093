//! Free energies, and the melting curve.

use std::path::Path;

use flashschnet::analysis::statistics::blocks::Estimate;
use flashschnet::analysis::statistics::mbar::Mbar;
use flashschnet::analysis::statistics::melting::{
    MIDPOINT, MeltingTemperature, melting, temperatures,
};
use flashschnet::analysis::statistics::profile::{Bins, free_energies, histogram};
use flashschnet::{Result, units};

use super::ensemble::{Ensemble, Weighing};
use super::log::Log;
use super::options::Analyze;
use super::summary::Summary;
use super::table::{Cell, Table, cells};

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
    coordinates: Vec<(&'a [f64], Bins)>,
}

impl Profile<'_> {
    fn n_bins(&self) -> usize {
        self.coordinates.iter().map(|(_, bins)| bins.count()).product()
    }

    /// The free energies of all bins in kT.
    fn of(&self, weights: &[f64]) -> Vec<f64> {
        let coordinates: Vec<(&[f64], &Bins)> =
            self.coordinates.iter().map(|(values, bins)| (*values, bins)).collect();
        free_energies(&histogram(&coordinates, weights), 1.0)
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
        let coordinate = |column: &usize| {
            let values = &ensemble.samples.columns[*column][..];
            Some((values, Bins::covering(values, n_bins)?))
        };
        match columns.iter().map(coordinate).collect() {
            Some(coordinates) => profiles.push(Profile { names, coordinates }),
            None => log.note(format!("no free energy of {}: it is constant", names.join(", "))),
        }
    }
    let all = ensemble.jackknife(weighing, |weights| {
        profiles.iter().flat_map(|profile| profile.of(weights)).collect()
    });
    let n_all: usize = profiles.iter().map(Profile::n_bins).sum();
    let targets = ensemble.targets();
    let mut start = 0;
    for profile in &profiles {
        let unit = if targets[0].is_some() { "kcal_per_mol" } else { "kT" };
        let mut table = Table::new(targets[0].map(|_| "temperature_K"));
        table.columns.extend(profile.names.iter().map(|name| (*name).to_owned()));
        table.columns.extend([format!("free_energy_{unit}"), format!("error_{unit}")]);
        for (t, target) in targets.iter().enumerate() {
            let scale = target.map_or(1.0, |kelvin| 1.0 / units::beta(kelvin));
            let of_target = &all[t * n_all + start..][..profile.n_bins()];
            for (bin, estimate) in of_target.iter().enumerate() {
                let Some(Estimate { value, error }) = estimate else { continue };
                let scaled =
                    Estimate { value: scale * value, error: error.map(|error| scale * error) };
                let mut row: Vec<Cell> = target.map(Cell::from).into_iter().collect();
                let (mut rest, mut centers) = (bin, Vec::new());
                for (_, bins) in profile.coordinates.iter().rev() {
                    centers.push(bins.centers()[rest % bins.count()]);
                    rest /= bins.count();
                }
                row.extend(centers.into_iter().rev().map(Cell::from));
                row.extend(cells(Some(scaled)));
                table.rows.push(row);
            }
        }
        table.write(folder, &format!("free_energy_{}", profile.names.join("_")))?;
        start += profile.n_bins();
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
            Some(MeltingTemperature::Found(estimate)) => {
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
