//! Quantities of single frames, and sums over frames.

use crate::geometry::{center, centered, dot, separation, square};
use crate::variable::{Variable, optimal};

/// Units of a sum of positions in 1 Å. Sums of whole numbers do not depend on the order of the frames.
const UNITS: f64 = (1 << 20) as f64;

/// Beads of a contact differ by at least this in their numbers among the beads of a contact map.
pub const NEAREST: usize = 3;

/// Contacts between beads, counted over frames.
#[derive(Debug, Clone)]
pub struct Contacts {
    beads: Vec<u32>,
    square: f64,
}

impl Contacts {
    /// Contacts between `beads` nearer than `cutoff`, Å. The pairs are i < j with j − i ≥ [`NEAREST`],
    /// where i and j are places in the list of beads.
    pub fn new(beads: Vec<u32>, cutoff: f64) -> Self {
        Contacts { beads, square: cutoff * cutoff }
    }

    /// The pairs of beads in the order of their counts.
    pub fn pairs(&self) -> impl Iterator<Item = [u32; 2]> {
        let beads = &self.beads;
        (0..beads.len())
            .flat_map(move |i| (i + NEAREST..beads.len()).map(move |j| [beads[i], beads[j]]))
    }

    /// Adds 1 to the count of each pair that is in contact. `axes` is room for coordinates.
    pub fn count(&self, positions: &[[f64; 3]], axes: &mut [Vec<f64>; 3], counts: &mut [u32]) {
        let n = self.beads.len();
        for (c, axis) in axes.iter_mut().enumerate() {
            axis.clear();
            axis.extend(self.beads.iter().map(|bead| positions[*bead as usize][c]));
        }
        let mut rest = counts;
        for i in 0..n.saturating_sub(NEAREST) {
            let (row, others) = rest.split_at_mut(n - NEAREST - i);
            rest = others;
            let [x, y, z] = axes.each_ref().map(|axis| (axis[i], &axis[i + NEAREST..]));
            for (((count, xj), yj), zj) in row.iter_mut().zip(x.1).zip(y.1).zip(z.1) {
                let [dx, dy, dz] = [xj - x.0, yj - y.0, zj - z.0];
                *count += u32::from(dx * dx + dy * dy + dz * dz < self.square);
            }
        }
    }

    /// The number of pairs.
    pub fn n_pairs(&self) -> usize {
        let n = self.beads.len().saturating_sub(NEAREST);
        n * (n + 1) / 2
    }

    /// Which pairs are in contact in a structure.
    pub fn of(&self, positions: &[[f64; 3]]) -> Vec<u32> {
        let mut counts = vec![0; self.n_pairs()];
        self.count(positions, &mut Default::default(), &mut counts);
        counts
    }
}

/// The superposition of beads on a reference: the rotation with the smallest RMSD (Horn 1987), as in
/// [`Variable::Rmsd`].
#[derive(Debug, Clone)]
pub struct Superposition {
    beads: Vec<u32>,
    /// Relative to their center.
    reference: Vec<[f64; 3]>,
}

impl Superposition {
    /// The superposition of `beads` on their places in a structure, Å, `[n_beads]`.
    pub fn new(beads: Vec<u32>, structure: &[[f64; 3]]) -> Self {
        let of_beads: Vec<_> = beads.iter().map(|bead| structure[*bead as usize]).collect();
        Superposition { beads, reference: centered(&of_beads) }
    }

    /// The positions of the beads relative to their center, rotated onto the reference, Å.
    pub fn fit(&self, positions: &[[f64; 3]], fitted: &mut Vec<[f64; 3]>) {
        fitted.clear();
        fitted.extend(self.beads.iter().map(|bead| positions[*bead as usize]));
        let center = center(fitted);
        fitted.iter_mut().for_each(|x| *x = separation(*x, center));
        // The rotation moves the reference onto the frame. Its inverse is its transpose.
        let r = optimal(fitted, &self.reference);
        let columns: [[f64; 3]; 3] = std::array::from_fn(|a| [r[0][a], r[1][a], r[2][a]]);
        fitted.iter_mut().for_each(|x| *x = columns.map(|column| dot(column, *x)));
    }
}

/// Sums over frames from which the fluctuations of beads follow.
#[derive(Debug, Clone, Default)]
pub struct Fluctuations {
    n_frames: u64,
    /// The sums of each bead: its position in [`UNITS`], and the square of its length.
    sums: Vec<([i128; 3], i128)>,
}

impl Fluctuations {
    /// Adds the superposed positions of the beads in a frame, Å.
    pub fn add(&mut self, fitted: &[[f64; 3]]) {
        self.n_frames += 1;
        self.sums.resize(fitted.len(), Default::default());
        for ((sum, of_square), x) in self.sums.iter_mut().zip(fitted) {
            for (sum, x) in sum.iter_mut().zip(x) {
                let x = i128::from((x * UNITS).round() as i64);
                *sum += x;
                *of_square += x * x;
            }
        }
    }

    /// Adds the sums over other frames.
    pub fn join(&mut self, other: &Fluctuations) {
        self.n_frames += other.n_frames;
        self.sums.resize(self.sums.len().max(other.sums.len()), Default::default());
        for ((sum, of_square), (more, of_more)) in self.sums.iter_mut().zip(&other.sums) {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            *of_square += of_more;
        }
    }

    /// The root mean square fluctuation of each bead, Å: √⟨|x − ⟨x⟩|²⟩, with means over the frames.
    pub fn rmsf(&self) -> Vec<f64> {
        let n = self.n_frames as f64 * UNITS;
        let of_bead = |(sum, of_square): &([i128; 3], i128)| {
            let mean = sum.map(|x| x as f64 / n);
            (*of_square as f64 / (n * UNITS) - square(mean)).max(0.0).sqrt()
        };
        self.sums.iter().map(of_bead).collect()
    }
}

/// The results of the frames of a chunk.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Measured {
    /// The values of all quantities in the first frame, then those in the second one, and so on.
    pub values: Vec<f64>,
    /// The counts of contacts.
    pub counts: Vec<u32>,
    /// The sums of superposed positions.
    pub fluctuations: Fluctuations,
}

/// The quantities to compute.
#[derive(Debug, Clone)]
pub struct Measures {
    /// The variables that are computed of each frame.
    pub variables: Vec<Variable>,
    /// The contacts that are counted.
    pub contacts: Contacts,
    /// The superposition for fluctuations.
    pub superposition: Superposition,
}

/// Room that is used again for each frame.
#[derive(Debug, Default)]
pub struct Room {
    axes: [Vec<f64>; 3],
    fitted: Vec<[f64; 3]>,
}

impl Measures {
    /// Adds a frame to the results.
    pub fn add(&self, positions: &[[f64; 3]], room: &mut Room, to: &mut Measured) {
        to.values.extend(self.variables.iter().map(|variable| variable.value(positions)));
        to.counts.resize(self.contacts.n_pairs(), 0);
        self.contacts.count(positions, &mut room.axes, &mut to.counts);
        self.superposition.fit(positions, &mut room.fitted);
        to.fluctuations.add(&room.fitted);
    }
}
