//! The picture of a run: the chain of one replica at its start and at its end, beside the native
//! structure.

mod beads;
mod tube;
mod view;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::printable;
use crate::variable::superposed;
use crate::{Error, Result};

use self::beads::Molecule;
use self::view::{ends, principal_axes, seen};
use super::results::{Ends, Moment, Results};

/// A trajectory and the topology that it belongs to.
pub(in crate::cli) struct Look {
    pub(in crate::cli) topology: PathBuf,
    pub(in crate::cli) trajectory: PathBuf,
}

/// The replica of the picture.
pub(super) struct Chosen<'a> {
    pub(super) look: Look,
    /// Its name, and why it was chosen.
    name: String,
    /// A sentence about replicas that are not in the last frame.
    left_out: String,
    replica: &'a Ends,
}

/// The observables that tell how near a chain is to its native structure, with their labels and
/// units.
const NEARNESS: [(&str, &str, &str); 2] = [("rmsd_A", "RMSD", " Å"), ("q", "Q", "")];

/// The replica with the median RMSD, or Q, in the last frame among those that have trajectories, or
/// the first one without these observables. Replicas that have no last frame do not count, unless
/// none has one. If only states have trajectories, that of state 0; if there are none, `None`.
pub(super) fn choose<'a>(folder: &Path, results: &'a Results) -> Option<Chosen<'a>> {
    let file = |name: String| {
        let paths = ["xtc", "dcd"].map(|extension| folder.join(format!("{name}.{extension}")));
        paths.into_iter().find(|path| path.is_file())
    };
    let topology = |id: u32| {
        let of = results.topologies.iter().find(|(_, replicas)| replicas.contains(&id));
        folder.join(of.map_or("topology.pdb", |(name, _)| name))
    };
    let nearness = NEARNESS.iter().find_map(|(name, label, _)| {
        Some((results.observables.iter().position(|of| of.column == *name)?, label))
    });
    let all = results.replicas.iter();
    let all = all.filter_map(|(id, ends)| Some((*id, ends, file(format!("replica_{id:04}"))?)));
    let mut all: Vec<_> = all.collect();
    if all.is_empty() {
        let trajectory = file("ladder_0000_state_0000".to_owned())?;
        let (id, replica) = results.lowest.as_ref()?;
        let look = Look { topology: topology(*id), trajectory };
        let name = "State 0 of the first ladder".to_owned();
        return Some(Chosen { look, name, left_out: String::new(), replica });
    }
    if all.iter().any(|(_, ends, _)| Some(ends.last.step) == results.last_step) {
        all.retain(|(_, ends, _)| Some(ends.last.step) == results.last_step);
    }
    let left_out = match results.last_frame() {
        (_, 0) => String::new(),
        (n, missing) => format!(
            "{missing} of {} replicas {} not in the last frame: frozen, or not yet written.",
            n + missing,
            if missing == 1 { "is" } else { "are" }
        ),
    };
    let value = |ends: &Ends| {
        let (k, _) = nearness?;
        ends.last.values.get(k).copied().filter(|value| value.is_finite())
    };
    let known = all.iter().enumerate().filter_map(|(at, (_, ends, _))| Some((value(ends)?, at)));
    let mut known: Vec<(f64, usize)> = known.collect();
    known.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let n = known.len();
    let median = known.get(n.saturating_sub(1) / 2).map_or(0, |(_, at)| *at);
    let (id, replica, trajectory) = all.swap_remove(median);
    let name = match nearness {
        Some((_, label)) if n > 2 => {
            format!("Replica {id}, which has the median {label} of {n} replicas in the last frame")
        }
        _ => format!("Replica {id}"),
    };
    let look = Look { topology: topology(id), trajectory };
    Some(Chosen { look, name, left_out, replica })
}

/// A structure of the picture.
struct Panel {
    title: &'static str,
    note: String,
    beads: Vec<[f64; 3]>,
    /// Pixels for 1 Å.
    scale: f64,
}

/// The picture as SVG, and its caption.
///
/// # Errors
/// [`Error::Io`] and [`Error::Invalid`] for a topology or a trajectory that is missing or damaged.
pub(super) fn picture(
    folder: &Path,
    results: &Results,
    chosen: &Chosen,
) -> Result<(String, String)> {
    let Chosen { look, name, left_out, replica } = chosen;
    let molecule = Molecule::read(&look.topology)?;
    let found = beads::ends(&look.trajectory, molecule.n_beads, replica.n_rows)?;
    let mut doubts: Vec<String> = Vec::new();
    doubts.extend((!left_out.is_empty()).then(|| left_out.clone()));
    if let Some(error) = &found.error {
        doubts.push(format!("Only the first {} frames can be read: {error}.", found.n_frames));
    }
    let native = reference(folder).map(|path| molecule.reference(&path)).transpose();
    let native = native.unwrap_or_else(|error| {
        doubts.push(format!("There is no native structure: {error}."));
        None
    });
    let [first, last] = [&found.first, &found.last].map(|frame| molecule.of(frame));
    let target = native.as_ref().unwrap_or(&last);
    let axes = principal_axes(target);
    let time = |moment: &Moment| noted(results, moment);
    // Rows of energies.csv beyond a damaged frame have no positions.
    let end = if found.error.is_some() { String::new() } else { time(&replica.last) };
    let mut panels = vec![
        Panel::new("Start", time(&replica.first), seen(&superposed(&first, target), &axes)),
        Panel::new("End", end, seen(&superposed(&last, target), &axes)),
    ];
    if let Some(native) = &native {
        panels.push(Panel::new("Native", "the reference".to_owned(), seen(native, &axes)));
    }
    let n = panels.len();
    let own = scales(&mut panels, &[&first, &last], n);
    let caption = caption(name, &molecule, (native.is_some(), &own), doubts);
    Ok((svg(&panels, &molecule), caption))
}

/// The file of the reference of a run.
fn reference(folder: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(folder.join("settings.toml")).ok()?;
    let settings: toml_edit::DocumentMut = text.parse().ok()?;
    Some(folder.join(settings.get("reference")?.as_str()?))
}

/// Time, RMSD and Q of a row.
fn noted(results: &Results, moment: &Moment) -> String {
    let mut note = format!("{:.6} ns", moment.time * 1e-3);
    while note.contains('.') && note.ends_with("0 ns") {
        note = note.replace("0 ns", " ns").replace(". ns", " ns");
    }
    for (name, label, unit) in NEARNESS {
        let at = results.observables.iter().position(|of| of.column == name);
        if let Some(value) = at.and_then(|at| moment.values.get(at)).filter(|x| x.is_finite()) {
            let _ = write!(note, ", {label} {value:.2}{unit}");
        }
    }
    note
}

fn caption(
    name: &str,
    molecule: &Molecule,
    (has_native, own): (bool, &[&str]),
    doubts: Vec<String>,
) -> String {
    let beads = if molecule.has_ca { "the CA beads" } else { "all beads" };
    let target = if has_native { "on the native structure" } else { "with each other" };
    let mut caption = format!(
        "{name}: its first and its last frame, superposed {target} and seen from the same side. A tube \
         goes through {beads}, from the N terminus (blue, with a ball) to the C terminus (red)."
    );
    if !own.is_empty() {
        let _ = write!(
            caption,
            " {} {} too long for the common scale, and shown along the longest axis.",
            own.join(" and "),
            if own.len() == 1 { "is" } else { "are" }
        );
    }
    doubts.iter().for_each(|doubt| caption += &format!(" {doubt}"));
    caption
}

const WIDTH: f64 = 900.0;
/// The space for the structure of a panel.
const HEIGHT: f64 = 250.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 40.0;

/// The radius of a tube, Å, and its limits in pixels.
const RADIUS: f64 = 1.15;
const RADII: [f64; 2] = [1.6, 14.0];

/// A structure has a scale of its own if the common one would be smaller than this part of that
/// which fits the native structure, or the end without one.
const COMMON: f64 = 0.6;

impl Panel {
    fn new(title: &'static str, note: String, beads: Vec<[f64; 3]>) -> Self {
        Panel { title, note, beads, scale: 1.0 }
    }

    /// The largest scale that fits.
    fn fit(&self, width: f64) -> f64 {
        let (low, high) = ends(&self.beads);
        let [x, y] = [0, 1].map(|c| high[c] - low[c] + 4.0 * RADIUS);
        ((width - 24.0) / x).min(HEIGHT / y)
    }
}

/// Sets the scales of panels: a common one, and others for structures that are too long. These are
/// seen along their own axes. Returns the titles of these.
fn scales(panels: &mut [Panel], unturned: &[&Vec<[f64; 3]>], n: usize) -> Vec<&'static str> {
    let width = WIDTH / n as f64;
    let fits: Vec<f64> = panels.iter().map(|panel| panel.fit(width)).collect();
    let usual = fits[n - 1];
    let is_common = |fit: &&f64| **fit >= COMMON * usual;
    let common = fits.iter().filter(is_common).copied().fold(usual, f64::min);
    let mut own = Vec::new();
    for (k, panel) in panels.iter_mut().enumerate() {
        panel.scale = common;
        if fits[k] < COMMON * usual {
            if let Some(beads) = unturned.get(k) {
                panel.beads = seen(beads, &principal_axes(beads));
            }
            panel.scale = panel.fit(width).min(common);
            own.push(panel.title);
        }
    }
    own
}

fn svg(panels: &[Panel], molecule: &Molecule) -> String {
    let (n, height) = (panels.len(), TOP + HEIGHT + BOTTOM);
    let mut svg = format!(
        "<svg width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" text-anchor=\"middle\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (k, panel) in panels.iter().enumerate() {
        let x = WIDTH / n as f64 * (k as f64 + 0.5);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.0}\" y=\"20\" font-size=\"17\" font-weight=\"600\" fill=\"#1d232b\">{}</text>\n\
             <text x=\"{x:.0}\" y=\"40\" font-size=\"14\" fill=\"#5a626c\">{}</text>",
            panel.title, panel.note
        );
        let scale = panel.scale;
        let place =
            |p: &[f64; 3]| [x + scale * p[0], TOP + 0.5 * HEIGHT - scale * p[1], scale * p[2]];
        let beads: Vec<[f64; 3]> = panel.beads.iter().map(place).collect();
        let radius = (RADIUS * scale).clamp(RADII[0], RADII[1]);
        tube::draw(&mut svg, &beads, &molecule.chains, radius);
        // The longest round length that a third of the panel holds.
        let room = WIDTH / n as f64 / 3.0 / scale;
        let lengths = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
        let length = lengths.into_iter().rev().find(|length| *length <= room).unwrap_or(room);
        let (half, y) = (0.5 * scale * length, TOP + HEIGHT + 14.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{:.1} {y}H{:.1}\" stroke=\"#5a626c\" stroke-width=\"2\"/>\n\
             <text x=\"{x:.0}\" y=\"{}\" font-size=\"13\" fill=\"#5a626c\">{length:.0} Å</text>",
            x - half,
            x + half,
            y + 17.0
        );
    }
    svg + "</svg>\n"
}

/// A sentence for a picture that cannot be made.
pub(super) fn missing(error: &Error) -> String {
    printable(format!("There is no picture: {error}."))
}
