//! Free energies along one and two coordinates.

use std::path::{Path, PathBuf};

use crate::Error;

use super::super::names::{ERRORS, kelvin, name};
use super::super::page::Page;
use super::super::plots::{self, Axes, Grid, Kind, Line};
use super::super::series::spread;
use super::super::table;

/// The most temperatures of a section.
const MOST: usize = 6;

/// A file with a free energy.
pub(super) struct Profile {
    path: PathBuf,
    /// The columns of the one or two coordinates.
    coordinates: Vec<String>,
    /// The column of the free energy, and its unit.
    value: String,
    unit: &'static str,
}

/// The title of a section that cannot be made.
const TITLE: &str = "Free energy";

/// The free energies in a folder. A file of others is a sentence on the page.
pub(super) fn files(page: &mut Page, folder: &Path) -> Vec<Profile> {
    let mut all = Vec::new();
    page.attempt(TITLE, |page| {
        let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if file.starts_with("free_energy_") && file.ends_with(".csv") {
                page.attempt(TITLE, |_| {
                    all.push(Profile::new(path)?);
                    Ok(())
                });
            }
        }
        Ok(())
    });
    all.sort_by_key(|profile| profile.coordinates.len());
    all
}

/// Whether the coordinates are components of TICA.
pub(super) fn is_slow(profile: &Profile) -> bool {
    profile.coordinates.iter().any(|column| column.starts_with("tic_"))
}

impl Profile {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        let columns = table::columns(&path)?;
        let is_value = |column: &&String| column.starts_with("free_energy_k");
        let value = columns.iter().find(is_value).cloned().unwrap_or_default();
        let coordinates: Vec<String> = columns
            .iter()
            .filter(|column| *column != "temperature_K")
            .take_while(|column| **column != value)
            .cloned()
            .collect();
        if value.is_empty() || !(1..=2).contains(&coordinates.len()) {
            let expected = "one or two coordinates, their free energy and its error";
            return Err(Error::invalid("row 1", columns.join(","), expected).of_file(&path).into());
        }
        let unit = if value.ends_with("_kT") { "kT" } else { "kcal/mol" };
        Ok(Profile { path, coordinates, value, unit })
    }

    /// Temperatures in the order of the file, with coordinates, free energy and error of each bin.
    /// With one coordinate the second one is 0.
    fn read(&self) -> anyhow::Result<Vec<(f64, Vec<[f64; 4]>)>> {
        let error = self.value.replacen("free_energy", "error", 1);
        let mut numbers: Vec<&str> = self.coordinates.iter().map(String::as_str).collect();
        numbers.extend([&*self.value, &*error]);
        let mut all: Vec<(f64, Vec<[f64; 4]>)> = Vec::new();
        table::read(&self.path, &[], &numbers, |row| {
            let temperature = row.number("temperature_K");
            if all.last().is_none_or(|(last, _)| last.to_bits() != temperature.to_bits()) {
                all.push((temperature, Vec::new()));
            }
            let at = |k: usize| self.coordinates.get(k).map_or(0.0, |name| row.number(name));
            let bin = [at(0), at(1), row.number(&self.value), row.number(&error)];
            if bin[..3].iter().all(|x| x.is_finite()) {
                all.last_mut().into_iter().for_each(|(_, bins)| bins.push(bin));
            }
        })?;
        all.retain(|(_, bins)| !bins.is_empty());
        Ok(spread(all.iter().collect(), MOST).into_iter().cloned().collect())
    }
}

/// A section for each free energy.
pub(super) fn sections(page: &mut Page, profiles: Vec<Profile>) {
    for profile in profiles {
        page.attempt(TITLE, |page| section(page, &profile));
    }
}

fn section(page: &mut Page, profile: &Profile) -> anyhow::Result<()> {
    let all = profile.read()?;
    if all.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = profile.coordinates.iter().map(|column| name(column)).collect();
    let unit = profile.unit;
    let y = format!("free energy ({unit})");
    let (title, caption, plot) = match &names[..] {
        [x, y] => {
            let cells = |bins: &[[f64; 4]]| -> Vec<[f64; 3]> {
                bins.iter().map(|[x, y, f, _]| [*x, *y, *f]).collect()
            };
            let of_all: Vec<_> = all.iter().flat_map(|(_, bins)| cells(bins)).collect();
            let too_far = || Error::invalid("bins", "others", "bins of equal sizes");
            let grid = Grid::around(&of_all);
            let grid = grid.ok_or_else(|| too_far().of_file(&profile.path))?;
            let named = |(temperature, bins): &(f64, Vec<[f64; 4]>)| {
                (kelvin(*temperature), grid.with(&cells(bins)))
            };
            let grids: Vec<_> = all.iter().map(named).collect();
            let title = format!("Free energy along {} and {}", x.text, y.text);
            let file = profile.path.file_name().unwrap_or_default().to_string_lossy();
            let caption = format!(
                "Free energy in {unit} above its minimum at each temperature, from blue for 0 to \
                     red; cells without samples are white. The errors in {file} are {ERRORS}."
            );
            let axes = Axes { x: &x.axis, y: &y.axis };
            (title, caption, plots::maps(axes, unit, &grids))
        }
        names => {
            let width = width(&all);
            let line = |(temperature, bins): &(f64, Vec<[f64; 4]>)| Line {
                name: kelvin(*temperature),
                points: bins.iter().map(|[x, _, f, error]| [*x, *f, *error]).collect(),
                kind: Kind::Line { gap: 1.5 * width },
            };
            let lines: Vec<Line> = all.iter().map(line).collect();
            let title = format!("Free energy along {}", names[0].text);
            let caption = format!(
                "Free energy in {unit} above its minimum at each temperature; the bands are {ERRORS}."
            );
            let axes = Axes { x: &names[0].axis, y: &y };
            (title, caption, plots::lines(axes, &lines, &[], false))
        }
    };
    page.section(&title, &caption, plot)
}

/// The distance between neighbors among all bins.
fn width(all: &[(f64, Vec<[f64; 4]>)]) -> f64 {
    let gaps = all.iter().flat_map(|(_, bins)| bins.windows(2).map(|pair| pair[1][0] - pair[0][0]));
    gaps.filter(|gap| *gap > 0.0).fold(f64::INFINITY, f64::min)
}
