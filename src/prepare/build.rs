//! Conformations from a sequence alone: an extended chain, and random coils that avoid themselves.
//!
//! Bond lengths and angles are those of Engh and Huber (1991). Peptides are trans. Random dihedrals
//! are uniform in boxes around the helix, the strand and polyproline II. With one bead per residue,
//! angles and dihedrals have the range of proteins.

use std::ops::Range;

use super::fill::{beta_carbon, oxygen};
use super::mapping::{Layout, Mapping, Site};
use super::names::AminoAcid;
use super::origin::Start;
use super::topology::{is_pair, min_pair};
use crate::error::{Error, Result};
use crate::geometry::{center, combine, cross, separation, square, unit};
use crate::grid::Grid;
use crate::host;
use crate::random::{Stream, uniform4};

/// Lengths in Å, and angles in degrees.
const N_CA: f64 = 1.458;
const CA_C: f64 = 1.525;
const C_N: f64 = 1.329;
const N_CA_C: f64 = 111.0;
const CA_C_N: f64 = 117.2;
const C_N_CA: f64 = 121.7;
const CA_CA: f64 = 3.8;

/// The boxes of phi and psi: the centers and the half widths, degrees.
const HELIX: [[f64; 2]; 2] = [[-65.0, -40.0], [15.0, 20.0]];
const STRAND: [[f64; 2]; 2] = [[-120.0, 135.0], [30.0, 25.0]];
const POLYPROLINE: [[f64; 2]; 2] = [[-70.0, 145.0], [15.0, 25.0]];
const HELIX_SHARE: f64 = 0.35;
const STRAND_SHARE: f64 = 0.35;

/// The angles of CA, and the start of the whole turn of its dihedrals, degrees.
const CA_ANGLE: [f64; 2] = [90.0, 145.0];
const CA_TURN: f64 = 10.0;

/// The draw of an extended chain: the middle of every range.
const MIDDLE: [f64; 4] = [HELIX_SHARE + 0.5 * STRAND_SHARE, 0.5, 0.5, 1.0];

/// The distance of the boxes around the chains, Å. It is longer than the cutoff of networks.
const APART: f64 = 15.0;

/// The tries for a residue before the chain is cut back, and for each residue of the chain in all.
const TRIES: u64 = 40;
const MOST_TRIES: u64 = 4000;

/// The bytes of host memory for a bead of a conformation, an estimate.
const BEAD_BYTES: u64 = 350;

/// Non-bonded beads are not nearer than this, Å.
fn least_distance(mapping: Mapping) -> f64 {
    match mapping {
        Mapping::FiveBead => 2.7,
        Mapping::Ca | Mapping::TorchMd => 4.0,
    }
}

/// The positions of all beads in each of the conformations.
///
/// # Errors
/// [`Error::OutOfMemory`]; [`Error::Invalid`] for a chain that finds no room, which does not happen
/// in practice.
pub(super) fn positions(layout: &Layout, start: Start) -> Result<Vec<Vec<[f64; 3]>>> {
    let n = match start {
        Start::Extended => 1,
        Start::RandomCoil { n, .. } => n,
    };
    let (beads, coils) = (layout.n_beads() as u64, n as u64);
    let what = format!("{n} conformations of {beads} beads");
    host::require(what, coils.saturating_mul(beads * BEAD_BYTES), "build fewer at once")?;
    (0..n as u32).map(|coil| whole(layout, start, coil)).collect()
}

/// A conformation of all chains, side by side.
fn whole(layout: &Layout, start: Start, coil: u32) -> Result<Vec<[f64; 3]>> {
    let grow = |chain: &Range<usize>| Growth::new(layout, chain.clone(), start, coil).grow();
    let chains = layout.chains.iter().map(grow).collect::<Result<Vec<_>>>()?;
    let ends = |chain: &[[f64; 3]], k: usize| {
        let of_axis = chain.iter().map(|x| x[k]);
        of_axis.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], x| [a.min(x), b.max(x)])
    };
    let extent = |k: usize| -> f64 {
        chains.iter().map(|chain| ends(chain, k)).map(|[least, most]| most - least).sum()
    };
    let axis = (0..3).min_by(|a, b| extent(*a).total_cmp(&extent(*b))).unwrap_or(0);
    let (mut all, mut edge) = (Vec::with_capacity(layout.n_beads()), 0.0);
    for mut chain in chains {
        let mut shift = center(&chain).map(|x| -x);
        let [least, most] = ends(&chain, axis);
        shift[axis] = edge - least;
        edge += most - least + APART;
        chain.iter_mut().for_each(|x| *x = combine(1.0, *x, 1.0, shift));
        all.append(&mut chain);
    }
    let middle = center(&all);
    Ok(all.into_iter().map(|x| separation(x, middle)).collect())
}

/// The place of a bead by its distance from c, its angle at c and its dihedral, degrees.
fn place([a, b, c]: [[f64; 3]; 3], distance: f64, angle: f64, dihedral: f64) -> [f64; 3] {
    let (angle, dihedral) = (angle.to_radians(), dihedral.to_radians());
    let along = unit(separation(c, b));
    let normal = unit(cross(separation(b, a), along));
    let aside = combine(dihedral.cos(), cross(normal, along), dihedral.sin(), normal);
    let step = combine(-distance * angle.cos(), along, distance * angle.sin(), aside);
    combine(1.0, c, 1.0, step)
}

/// The box of a residue, and the sign of its angles.
type Choice = ([[f64; 2]; 2], f64);

/// A chain that grows from its first residue.
struct Growth<'a> {
    layout: &'a Layout,
    chain: Range<usize>,
    start: Start,
    coil: u32,
    /// The positions of the beads of the chain, as far as they are placed.
    x: Vec<[f64; 3]>,
    grid: Grid,
    /// The beads of each step; step r places residue r, and the O of the residue before it.
    steps: Vec<Vec<u32>>,
    boxes: Vec<Choice>,
    /// The tries for each step so far.
    tries: Vec<u64>,
}

impl<'a> Growth<'a> {
    fn new(layout: &'a Layout, chain: Range<usize>, start: Start, coil: u32) -> Self {
        let beads = layout.first(chain.end) - layout.first(chain.start);
        Growth {
            layout,
            start,
            coil,
            x: vec![[0.0; 3]; beads as usize],
            grid: Grid::new(least_distance(layout.mapping)),
            steps: Vec::new(),
            boxes: Vec::new(),
            tries: vec![0; chain.len() + 1],
            chain,
        }
    }

    fn grow(mut self) -> Result<Vec<[f64; 3]>> {
        let (mut back, mut farthest) = (1, 0);
        // After the residues comes the O of the last one.
        while self.steps.len() <= self.chain.len() {
            let step = self.steps.len();
            if (0..TRIES).any(|_| self.step(step)) {
                if step > farthest {
                    (back, farthest) = (1, step);
                }
                continue;
            }
            if self.tries[step] > MOST_TRIES {
                let found = format!("no room for residue {}", step + 1);
                return Err(Error::invalid("random coil", found, "another seed"));
            }
            for _ in 0..back.min(step) {
                self.cut();
            }
            back *= 2;
        }
        Ok(self.x)
    }

    fn index(&self, bead: u32) -> usize {
        (bead - self.layout.first(self.chain.start)) as usize
    }

    /// Takes the last step back.
    fn cut(&mut self) {
        for bead in self.steps.pop().into_iter().flatten() {
            self.grid.remove(bead, self.x[self.index(bead)]);
        }
        self.boxes.pop();
    }

    /// Tries a conformation. Returns whether its beads have room.
    fn step(&mut self, step: usize) -> bool {
        let r = self.chain.start + step;
        let number = |seed| uniform4(seed, Stream::Coil, self.coil, self.tries[step], r as u32);
        let draw = match self.start {
            Start::Extended if self.tries[step] == 0 => MIDDLE,
            // Where the ideal angles lead into the chain.
            Start::Extended => number(0),
            Start::RandomCoil { seed, .. } => number(seed),
        };
        self.tries[step] += 1;
        let here = self.choose(r, draw);
        let beads = match self.layout.mapping {
            Mapping::FiveBead => self.five_bead(r, here, draw),
            Mapping::Ca | Mapping::TorchMd => self.ca(r, draw),
        };
        let (least, pairs) = (least_distance(self.layout.mapping), min_pair(self.layout.mapping));
        let is_near = |(bead, x): &(u32, [f64; 3])| {
            self.grid.near(*x).any(|other| {
                let (first, second) = (other.min(*bead), other.max(*bead));
                square(separation(self.x[self.index(other)], *x)) < least * least
                    && is_pair(self.layout, first, second, pairs)
            })
        };
        if beads.iter().any(is_near) {
            return false;
        }
        for (bead, x) in &beads {
            let index = self.index(*bead);
            self.x[index] = *x;
            self.grid.insert(*bead, *x);
        }
        self.steps.push(beads.into_iter().map(|(bead, _)| bead).collect());
        self.boxes.push(here);
        true
    }

    /// The box of a residue, and the sign of its angles.
    fn choose(&self, r: usize, draw: [f64; 4]) -> Choice {
        let amino = |r: usize| (r < self.chain.end).then(|| self.layout.aminos[r]);
        let is = |r: usize, other: AminoAcid| amino(r) == Some(other);
        let [share, .., mirror] = draw;
        let chosen = match is(r, AminoAcid::PRO) {
            // A helix has no room before a proline.
            _ if share < HELIX_SHARE && !is(r + 1, AminoAcid::PRO) => HELIX,
            false if share < HELIX_SHARE + STRAND_SHARE => STRAND,
            _ => POLYPROLINE,
        };
        // Glycine has both hands.
        (chosen, if is(r, AminoAcid::GLY) && mirror < 0.5 { -1.0 } else { 1.0 })
    }

    /// N, CA, CB and C of a residue, and the O before them.
    fn five_bead(&self, r: usize, here: Choice, draw: [f64; 4]) -> Vec<(u32, [f64; 3])> {
        let angle = |(chosen, sign): Choice, k: usize| {
            sign * (chosen[0][k] + chosen[1][k] * (2.0 * draw[1 + k] - 1.0))
        };
        let mut sites = Vec::new();
        let [n, ca, c] = match r == self.chain.start {
            true => {
                let (n, ca) = ([0.0; 3], [N_CA, 0.0, 0.0]);
                [n, ca, place([[0.0, 1.0, 0.0], n, ca], CA_C, N_CA_C, 180.0)]
            }
            false => {
                let at = |site| self.bead(r - 1, site).map(|bead| self.x[self.index(bead)]);
                let [n, ca, c] =
                    [Site::N, Site::Ca, Site::C].map(|site| at(site).unwrap_or_default());
                let before = self.boxes[r - 1 - self.chain.start];
                let next = place([n, ca, c], C_N, CA_C_N, angle(before, 1));
                sites.push((r - 1, Site::O, oxygen(ca, c, next)));
                let next_ca = place([ca, c, next], N_CA, C_N_CA, 180.0);
                [next, next_ca, place([c, next, next_ca], CA_C, N_CA_C, angle(here, 0))]
            }
        };
        if r < self.chain.end {
            sites.extend([(r, Site::N, n), (r, Site::Ca, ca)]);
            sites.extend([(r, Site::Cb, beta_carbon(n, ca, c)), (r, Site::C, c)]);
        }
        let bead = |(r, site, x): (usize, Site, [f64; 3])| Some((self.bead(r, site)?, x));
        sites.into_iter().filter_map(bead).collect()
    }

    /// The CA of a residue.
    fn ca(&self, r: usize, draw: [f64; 4]) -> Vec<(u32, [f64; 3])> {
        let Some(bead) = (r < self.chain.end).then(|| self.layout.first(r)) else {
            return Vec::new();
        };
        let angle = CA_ANGLE[0] + draw[1] * (CA_ANGLE[1] - CA_ANGLE[0]);
        let dihedral = CA_TURN + 360.0 * draw[2];
        let before = |k: usize| self.x[r - k - self.chain.start];
        let x = match r - self.chain.start {
            0 => [0.0; 3],
            1 => [CA_CA, 0.0, 0.0],
            2 => place([[0.0, 1.0, 0.0], before(2), before(1)], CA_CA, angle, 180.0),
            _ => place([before(3), before(2), before(1)], CA_CA, angle, dihedral),
        };
        vec![(bead, x)]
    }

    fn bead(&self, r: usize, site: Site) -> Option<u32> {
        self.layout.bead(r, site)
    }
}
