//! The settings of hills, and their checks.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::units::beta;

/// The largest number of bins of an axis. Devices have values in f32, which resolves such bins.
pub const MOST_BINS: usize = 4096;

/// The largest number of nodes of a grid. WebGPU guarantees buffers of this many nodes.
pub const MOST_NODES: usize = 1 << 22;

/// The least number of bins in the width of a hill.
const BINS_PER_WIDTH: f64 = 2.0;

/// The least number of widths in a period. Then the images that are left out are farther than 9
/// widths.
const WIDTHS_PER_PERIOD: f64 = 6.0;

/// The largest magnitude of a value on a grid.
const FARTHEST: f64 = 1e7;

/// The least width in units of the largest magnitude of the values. f32 has 7 digits.
const LEAST_WIDTH: f64 = 1e-4;

/// Well-tempered metadynamics in one or two variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hills {
    /// One axis for each variable.
    pub axes: Vec<Axis>,
    /// The height h0 of a hill where the potential is 0, kcal/mol.
    pub height: f64,
    /// The bias factor γ.
    pub bias_factor: f64,
    /// The temperature T of the walkers, K.
    pub temperature: f64,
}

/// The values of a variable that a grid covers, and the width of the hills, in the unit of the
/// variable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The least value.
    pub lower: f64,
    /// The largest value.
    pub upper: f64,
    /// The number of equal intervals between the nodes.
    pub bins: usize,
    /// Whether `lower` and `upper` are the same place, as −π and π of a dihedral angle.
    pub periodic: bool,
    /// The standard deviation σ of a hill.
    pub width: f64,
}

impl Hills {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no axes or more than two, an interval without values, a wrong number
    /// of bins, a width that does not fit the bins or the interval, and a number that is out of
    /// range.
    pub fn check(&self) -> Result<()> {
        if !(1..=2).contains(&self.axes.len()) {
            return Err(Error::invalid("hills, axes", self.axes.len(), "one or two"));
        }
        self.axes.iter().try_for_each(Axis::check)?;
        let nodes = self.n_nodes();
        if nodes > MOST_NODES {
            let expected = format!("at most {MOST_NODES}; use fewer bins");
            return Err(Error::invalid("hills, nodes", nodes, expected));
        }
        check_range("height", self.height, 1e-6, 1e3)?;
        check_range("bias factor", self.bias_factor, 1.1, 1e6)?;
        check_range("temperature", self.temperature, 1.0, 1e6)
    }

    /// The number of nodes of the grid.
    pub fn n_nodes(&self) -> usize {
        self.axes.iter().map(Axis::n_nodes).product()
    }

    /// 1/(k_B ΔT), mol/kcal.
    pub(crate) fn rate(&self) -> f64 {
        beta((self.bias_factor - 1.0) * self.temperature)
    }
}

impl Axis {
    /// The distance between two nodes.
    pub fn spacing(&self) -> f64 {
        (self.upper - self.lower) / self.bins as f64
    }

    /// The number of nodes. On a periodic axis the first node is also the last.
    pub fn n_nodes(&self) -> usize {
        self.bins + usize::from(!self.periodic)
    }

    /// The distance of a value from the first node in bins; `None` for a value that is not on the
    /// axis. Any finite value is on a periodic axis.
    pub(super) fn place(&self, q: f64) -> Option<f64> {
        let (place, bins) = ((q - self.lower) / self.spacing(), self.bins as f64);
        if self.periodic {
            let within = place.rem_euclid(bins);
            return q.is_finite().then_some(if within < bins { within } else { 0.0 });
        }
        (self.lower..=self.upper).contains(&q).then(|| place.clamp(0.0, bins))
    }

    /// A hill of height 1 at a place, and its derivative by the place of the node, at each node.
    pub(super) fn hill(&self, place: f64) -> Vec<[f64; 2]> {
        let bins = self.bins as f64;
        let sharpness = self.spacing() / self.width;
        let at = |from_hill: f64| {
            let z = sharpness * from_hill;
            let value = (-0.5 * z * z).exp();
            [value, -sharpness * z * value]
        };
        let at_node = |node: usize| {
            let from_hill = node as f64 - place;
            if !self.periodic {
                return at(from_hill);
            }
            let nearest = from_hill - bins * (from_hill / bins).round();
            let [a, b, c] = [nearest - bins, nearest, nearest + bins].map(at);
            [a[0] + b[0] + c[0], a[1] + b[1] + c[1]]
        };
        (0..self.n_nodes()).map(at_node).collect()
    }

    fn check(&self) -> Result<()> {
        let Axis { lower, upper, bins, periodic, width } = *self;
        check_range("lower", lower, -FARTHEST, FARTHEST)?;
        check_range("upper", upper, -FARTHEST, FARTHEST)?;
        if lower >= upper {
            return Err(Error::invalid("hills, upper", upper, format!("more than lower, {lower}")));
        }
        if !(1..=MOST_BINS).contains(&bins) {
            return Err(Error::invalid("hills, bins", bins, format!("1 to {MOST_BINS}")));
        }
        let range = upper - lower;
        let most = if periodic { range / WIDTHS_PER_PERIOD } else { range };
        if !(width > 0.0 && width <= most) {
            let of = if periodic { "a sixth of the period" } else { "the range of the axis" };
            let expected = format!("a width in (0, {most}], at most {of}");
            return Err(Error::invalid("hills, width", width, expected));
        }
        if width < LEAST_WIDTH * lower.abs().max(upper.abs()) {
            let expected = format!("at least {LEAST_WIDTH} of the largest value of the axis");
            return Err(Error::invalid("hills, width", width, expected));
        }
        // The range may be a whole number of widths, and its quotients are rounded.
        if width < BINS_PER_WIDTH * self.spacing() * (1.0 - 1e-9) {
            let least = (BINS_PER_WIDTH * range / width).ceil();
            let expected = format!("at least {least}, which are {BINS_PER_WIDTH} bins per width");
            return Err(Error::invalid("hills, bins", bins, expected));
        }
        Ok(())
    }
}

fn check_range(name: &str, found: f64, least: f64, most: f64) -> Result<()> {
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => {
            let expected = format!("a number in [{least}, {most}]");
            Err(Error::invalid(format!("hills, {name}"), found, expected))
        }
    }
}
