//! Neighbor lists: candidates with a skin, the pairs among them within the cutoff, and their rows.

use crate::error::{Error, Result};
use crate::ops::Graph;

/// How far beyond the cutoff candidates reach, Å. A rebuild is due when a bead moved half of it.
const SKIN: f64 = 2.0;

/// x − y.
pub(super) fn minus(x: [f64; 3], y: [f64; 3]) -> [f64; 3] {
    [x[0] - y[0], x[1] - y[1], x[2] - y[2]]
}

/// |x|².
pub(super) fn square(x: [f64; 3]) -> f64 {
    x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
}

/// The pairs of one replica that may come within the cutoff before the next rebuild.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// i < j, in ascending order. `[n_candidates]`
    pairs: Vec<[u32; 2]>,
    /// Positions at the last rebuild.
    built_at: Vec<[f64; 3]>,
}

impl Candidates {
    /// Rebuilds the list if a bead moved too far (or to no number at all) since the last time.
    fn update(&mut self, positions: &[[f64; 3]], radius: f64) {
        let near = |(x, y): (&[f64; 3], &[f64; 3])| square(minus(*x, *y)) <= 0.25 * SKIN * SKIN;
        if self.built_at.len() == positions.len() && positions.iter().zip(&self.built_at).all(near)
        {
            return;
        }
        self.built_at.clear();
        self.built_at.extend(positions);
        self.pairs.clear();
        let reach = (radius + SKIN) * (radius + SKIN);
        for (i, x) in positions.iter().enumerate() {
            for (j, y) in positions.iter().enumerate().skip(i + 1) {
                if square(minus(*x, *y)) < reach {
                    self.pairs.push([i as u32, j as u32]);
                }
            }
        }
    }

    /// Appends the pairs within the cutoff to `pairs`, with beads numbered from `first_bead` on.
    ///
    /// Candidates beyond the cutoff leave no trace, so that nothing depends on when the list was
    /// rebuilt.
    pub(super) fn within(
        &mut self,
        positions: &[[f64; 3]],
        radius: f64,
        first_bead: usize,
        pairs: &mut Pairs,
    ) {
        self.update(positions, radius);
        for &[i, j] in &self.pairs {
            let separation = minus(positions[i as usize], positions[j as usize]);
            if square(separation) < radius * radius {
                pairs.beads.push([i, j].map(|bead| bead + first_bead as u32));
                pairs.separation.push(separation);
            }
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.pairs.capacity() * 8 + self.built_at.capacity() * 24
    }
}

/// Undirected pairs within the cutoff.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// i < j, in ascending order. `[n_pairs]`
    pub beads: Vec<[u32; 2]>,
    /// x_i − x_j, Å. `[n_pairs]`
    pub separation: Vec<[f64; 3]>,
}

impl Pairs {
    /// The pairs of a symmetric graph.
    pub(super) fn of_graph(graph: &Graph, positions: &[[f64; 3]]) -> Self {
        let mut pairs = Pairs::default();
        for i in 0..graph.n_beads() {
            for &j in &graph.col[graph.row(i)] {
                if i < j as usize {
                    pairs.beads.push([i as u32, j]);
                    pairs.separation.push(minus(positions[i], positions[j as usize]));
                }
            }
        }
        pairs
    }

    /// Empties the lists but keeps their memory.
    pub(super) fn clear(&mut self) {
        self.beads.clear();
        self.separation.clear();
    }

    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.beads.len()
    }
}

/// One direction of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// The bead it comes from.
    pub sender: u32,
    /// The pair it belongs to.
    pub pair: u32,
}

/// Both directions of all pairs, in rows of the receiver, in ascending order of the sender.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// First edge of each row, and the total. `[n_beads + 1]`
    first: Vec<u32>,
    edges: Vec<Edge>,
}

impl Rows {
    /// Sorts the edges of `pairs` into rows, reusing memory.
    pub(super) fn fill(&mut self, n_beads: usize, pairs: &[[u32; 2]]) {
        // Counts are kept two places ahead, so that filling the rows leaves `first` right.
        self.first.clear();
        self.first.resize(n_beads + 2, 0);
        for bead in pairs.as_flattened() {
            self.first[*bead as usize + 2] += 1;
        }
        for row in 2..n_beads + 2 {
            self.first[row] += self.first[row - 1];
        }
        self.edges.clear();
        self.edges.resize(2 * pairs.len(), Edge::default());
        // In ascending pairs, every sender below a bead comes before every sender above it.
        for (pair, &[i, j]) in pairs.iter().enumerate() {
            for (receiver, sender) in [(i, j), (j, i)] {
                let next = &mut self.first[receiver as usize + 1];
                self.edges[*next as usize] = Edge { sender, pair: pair as u32 };
                *next += 1;
            }
        }
        self.first.truncate(n_beads + 1);
    }

    /// The edges into bead `i`.
    pub(super) fn row(&self, i: usize) -> &[Edge] {
        &self.edges[self.first[i] as usize..self.first[i + 1] as usize]
    }

    /// The first bead with more than `limit` edges, and their number.
    pub(super) fn check(&self, limit: Option<u32>) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        let counts = self.first.windows(2).map(|first| first[1] - first[0]);
        match counts.enumerate().find(|(_, found)| *found > limit) {
            Some((bead, found)) => {
                Err(Error::TooManyNeighbors { replica: 0, bead: bead as u32, found, limit })
            }
            None => Ok(()),
        }
    }

    /// As the graph of the public contract.
    fn graph(self) -> Graph {
        let col = self.edges.iter().map(|edge| edge.sender).collect();
        Graph { row_ptr: self.first, col }
    }
}

/// See [`crate::ops::Ops::neighbor_list`].
pub(super) fn neighbor_list(positions: &[[f64; 3]], first_bead: &[usize], radius: f64) -> Graph {
    let mut pairs = Pairs::default();
    for replica in first_bead.windows(2) {
        let positions = &positions[replica[0]..replica[1]];
        Candidates::default().within(positions, radius, replica[0], &mut pairs);
    }
    let mut rows = Rows::default();
    rows.fill(positions.len(), &pairs.beads);
    rows.graph()
}
