//! The potential on a grid, in f64.

use super::settings::{Axis, Hills};
use crate::error::{Error, Result};

/// The largest potential at a node of a grid that is set, kcal/mol. Devices hold it in multiples of
/// 2⁻³² kcal/mol.
pub const MOST_POTENTIAL: f64 = 65_536.0;

/// The potential of all hills so far. It is 0 on a new grid.
///
/// A value q of the variables has two numbers. On a grid of one variable the second has no meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    hills: Hills,
    /// See [`Grid::nodes`].
    nodes: Vec<[f64; 4]>,
}

/// A potential, kcal/mol, and its gradient in kcal/mol per unit of each variable. `None` for values
/// that are not on the grid.
pub type ValueAndGradient = Option<(f64, [f64; 2])>;

/// A place in a cell: its nodes, and the distance from the first of them in bins.
struct Cell {
    nodes: [usize; 2],
    t: f64,
}

impl Grid {
    /// A grid without hills.
    ///
    /// # Errors
    /// See [`Hills::check`].
    pub fn new(hills: Hills) -> Result<Self> {
        hills.check()?;
        Ok(Grid { nodes: vec![[0.0; 4]; hills.n_nodes()], hills })
    }

    /// A grid with these nodes, see [`Grid::nodes`].
    ///
    /// # Errors
    /// See [`Hills::check`]; [`Error::Invalid`] for another number of nodes, and for a number that is
    /// not within [`MOST_POTENTIAL`].
    pub fn with_nodes(hills: Hills, nodes: Vec<[f64; 4]>) -> Result<Self> {
        let new = Grid::new(hills)?;
        if nodes.len() != new.nodes.len() {
            let expected = new.nodes.len().to_string();
            return Err(Error::invalid("hills, nodes", nodes.len(), expected));
        }
        let range = -MOST_POTENTIAL..=MOST_POTENTIAL;
        match nodes.as_flattened().iter().find(|x| !range.contains(*x)) {
            Some(x) => {
                let expected = format!(
                    "a potential within {MOST_POTENTIAL} kcal/mol, as from lower hills or a smaller bias factor"
                );
                Err(Error::invalid("hills, nodes", x, expected))
            }
            None => Ok(Grid { nodes, ..new }),
        }
    }

    /// The settings.
    pub fn hills(&self) -> &Hills {
        &self.hills
    }

    /// V, s₀ ∂V/∂q₀, s₁ ∂V/∂q₁ and s₀ s₁ ∂²V/∂q₀∂q₁ at each node, kcal/mol, with the spacing s of the
    /// nodes. The first variable varies fastest. On a grid of one variable the last two are 0.
    pub fn nodes(&self) -> &[[f64; 4]] {
        &self.nodes
    }

    /// The values of the variables at a node.
    pub fn at_node(&self, node: usize) -> [f64; 2] {
        let n = self.hills.axes[0].n_nodes();
        let value = |(axis, node): (&Axis, usize)| axis.lower + axis.spacing() * node as f64;
        let mut q = [0.0; 2];
        let all = self.hills.axes.iter().zip([node % n, node / n]).map(value);
        q.iter_mut().zip(all).for_each(|(q, value)| *q = value);
        q
    }

    /// V at q and its gradient.
    pub fn value_and_gradient(&self, q: [f64; 2]) -> ValueAndGradient {
        let places = self.places(q)?;
        let [x, y] = [0, 1].map(|k| self.cell(k, places[k]));
        let [(of_x, by_x), (of_y, by_y)] = [x.t, y.t].map(hermite);
        let (mut value, mut gradient) = (0.0, [0.0; 2]);
        let width = self.hills.axes[0].n_nodes();
        for (j, row) in y.nodes.into_iter().enumerate() {
            for (i, column) in x.nodes.into_iter().enumerate() {
                for (part, number) in self.nodes[row * width + column].into_iter().enumerate() {
                    let (a, b) = (part % 2, part / 2);
                    value += of_x[i][a] * of_y[j][b] * number;
                    gradient[0] += by_x[i][a] * of_y[j][b] * number;
                    gradient[1] += of_x[i][a] * by_y[j][b] * number;
                }
            }
        }
        for (slope, axis) in gradient.iter_mut().zip(&self.hills.axes) {
            *slope /= axis.spacing();
        }
        Some((value, gradient))
    }

    /// Adds a hill at the values of each walker, and returns the heights, kcal/mol. A walker that is
    /// not on the grid adds none, and has the height `None`.
    pub fn deposit(&mut self, walkers: &[[f64; 2]]) -> Vec<Option<f64>> {
        let (h0, rate) = (self.hills.height, self.hills.rate());
        let height = |q: &[f64; 2]| Some(h0 * (-rate * self.value_and_gradient(*q)?.0).exp());
        let heights: Vec<_> = walkers.iter().map(height).collect();
        let width = self.hills.axes[0].n_nodes();
        for (q, height) in walkers.iter().zip(&heights) {
            let (Some(places), Some(height)) = (self.places(*q), height) else { continue };
            let x = self.hills.axes[0].hill(places[0]);
            let y = self.hills.axes.get(1).map_or(vec![[1.0, 0.0]], |axis| axis.hill(places[1]));
            for (row, y) in self.nodes.chunks_exact_mut(width).zip(&y) {
                for (node, x) in row.iter_mut().zip(&x) {
                    let hill = [x[0] * y[0], x[1] * y[0], x[0] * y[1], x[1] * y[1]];
                    node.iter_mut().zip(hill).for_each(|(sum, x)| *sum += height * x);
                }
            }
        }
        heights
    }

    /// The estimate of the free energy at each node, F = −V/(1 − 1/γ), kcal/mol, relative to the
    /// lowest.
    pub fn free_energy(&self) -> Vec<f64> {
        let scale = 1.0 / (1.0 - 1.0 / self.hills.bias_factor);
        let most = self.nodes.iter().map(|node| node[0]).fold(f64::NEG_INFINITY, f64::max);
        self.nodes.iter().map(|node| scale * (most - node[0])).collect()
    }

    /// The grid after deposits, and the potential there at given values.
    pub(crate) fn after(
        &self,
        deposits: &[Vec<[f64; 2]>],
        at: &[[f64; 2]],
    ) -> (Grid, Vec<ValueAndGradient>) {
        let mut grid = self.clone();
        for walkers in deposits {
            grid.deposit(walkers);
        }
        let found = at.iter().map(|q| grid.value_and_gradient(*q)).collect();
        (grid, found)
    }

    /// The places of q on both axes; 0 on an axis that is missing.
    fn places(&self, q: [f64; 2]) -> Option<[f64; 2]> {
        let mut places = [0.0; 2];
        for ((place, axis), q) in places.iter_mut().zip(&self.hills.axes).zip(q) {
            *place = axis.place(q)?;
        }
        Some(places)
    }

    /// The cell of a place. An axis that is missing has one node, which is at both ends of its cell.
    fn cell(&self, k: usize, place: f64) -> Cell {
        let Some(axis) = self.hills.axes.get(k) else { return Cell { nodes: [0; 2], t: 0.0 } };
        let first = (place as usize).min(axis.bins - 1);
        Cell { nodes: [first, (first + 1) % axis.n_nodes()], t: place - first as f64 }
    }
}

/// The four cubic polynomials on [0, 1] that are 1 in value or slope at 0 or 1, and 0 in the other
/// three: `[end][value or slope]`. Also their derivatives.
fn hermite(t: f64) -> ([[f64; 2]; 2], [[f64; 2]; 2]) {
    let (u, rise) = (1.0 - t, t * t * (3.0 - 2.0 * t));
    let values = [[1.0 - rise, t * u * u], [rise, -t * t * u]];
    let slope = 6.0 * t * u;
    (values, [[-slope, u * (1.0 - 3.0 * t)], [slope, t * (3.0 * t - 2.0)]])
}
