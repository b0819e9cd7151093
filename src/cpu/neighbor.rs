//! Neighbor lists: candidate pairs within the cutoff plus a skin, and the pairs within the cutoff.

use crate::crowd;
use crate::error::{Error, Result};
use crate::geometry::{separation, square};
use crate::ops::Graph;

/// The distance beyond the cutoff up to which pairs are candidates, Å. The list is rebuilt when a
/// bead has moved by more than half of it.
const SKIN: f64 = 2.0;

/// The bytes of a pair in the lists and the workspace of an evaluation. 12.5 million pairs took 142
/// bytes each; the rest is for vectors that grow, which may have twice the room.
const PAIR_BYTES: u64 = 250;

/// The pairs of one replica that may come within the cutoff before the next rebuild.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// i < j, in ascending order. `[n_candidates]`
    pairs: Vec<[u32; 2]>,
    /// Positions at the last rebuild.
    built_at: Vec<[f64; 3]>,
}

impl Candidates {
    /// Rebuilds the list if a bead moved too far (or to NaN) since the last rebuild.
    ///
    /// # Errors
    /// See [`crowd::check`].
    fn update(&mut self, positions: &[[f64; 3]], radius: f64, limit: Option<u32>) -> Result<()> {
        let within = |reach: f64| {
            let near = |(x, y): (&[f64; 3], &[f64; 3])| square(separation(*x, *y)) <= reach * reach;
            self.built_at.len() == positions.len() && positions.iter().zip(&self.built_at).all(near)
        };
        if within(0.5 * SKIN) {
            return Ok(());
        }
        // Beads that only moved on since the last list have nearly as many pairs as it had.
        let moved_on = within(SKIN);
        self.built_at.clear();
        self.built_at.extend(positions);
        self.pairs.clear();
        let reach = (radius + SKIN) * (radius + SKIN);
        if !moved_on {
            crowd::check(positions, (radius, limit), radius + SKIN, PAIR_BYTES)?;
        }
        for (i, x) in positions.iter().enumerate() {
            for (j, y) in positions.iter().enumerate().skip(i + 1) {
                if square(separation(*x, *y)) < reach {
                    self.pairs.push([i as u32, j as u32]);
                }
            }
        }
        Ok(())
    }

    /// Appends the pairs within the cutoff to `pairs`; beads are numbered from `first_bead` on.
    ///
    /// Candidates beyond the cutoff are dropped, so the result does not depend on when the list was
    /// rebuilt.
    ///
    /// # Errors
    /// See [`crowd::check`].
    pub(super) fn within(
        &mut self,
        positions: &[[f64; 3]],
        (radius, limit): (f64, Option<u32>),
        first_bead: usize,
        pairs: &mut Pairs,
    ) -> Result<()> {
        self.update(positions, radius, limit)?;
        pairs.n_neighbors.resize(first_bead + positions.len(), 0);
        for &[i, j] in &self.pairs {
            let between = separation(positions[i as usize], positions[j as usize]);
            if square(between) < radius * radius {
                pairs.push([i, j].map(|bead| bead + first_bead as u32), between);
            }
        }
        Ok(())
    }

    /// Memory in bytes.
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
    /// `[n_beads]`
    n_neighbors: Vec<u32>,
}

impl Pairs {
    /// The pairs of a symmetric graph.
    pub(super) fn of_graph(graph: &Graph, positions: &[[f64; 3]]) -> Self {
        let mut pairs = Pairs { n_neighbors: vec![0; graph.n_beads()], ..Pairs::default() };
        for i in 0..graph.n_beads() {
            for &j in &graph.col[graph.row(i)] {
                if i < j as usize {
                    pairs.push([i as u32, j], separation(positions[i], positions[j as usize]));
                }
            }
        }
        pairs
    }

    fn push(&mut self, beads: [u32; 2], separation: [f64; 3]) {
        self.beads.push(beads);
        self.separation.push(separation);
        for bead in beads {
            self.n_neighbors[bead as usize] += 1;
        }
    }

    /// Empties the lists but keeps their memory.
    pub(super) fn clear(&mut self) {
        self.beads.clear();
        self.separation.clear();
        self.n_neighbors.clear();
    }

    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.beads.len()
    }

    /// Checks the number of neighbors of every bead.
    ///
    /// # Errors
    /// [`Error::TooManyNeighbors`] of replica 0.
    pub(super) fn check(&self, limit: Option<u32>) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        match self.n_neighbors.iter().enumerate().find(|(_, found)| **found > limit) {
            Some((bead, &found)) => {
                Err(Error::TooManyNeighbors { replica: 0, bead: bead as u32, found, limit })
            }
            None => Ok(()),
        }
    }

    /// The graph with both directions of every pair, in rows of the receiver.
    fn graph(&self) -> Graph {
        let mut next = vec![0];
        next.extend(self.n_neighbors.iter().scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        }));
        let mut graph = Graph { row_ptr: next.clone(), col: vec![0; 2 * self.len()] };
        // The pairs are in ascending order, so the senders of each row come out in ascending order:
        // first those below the receiver, then those above it.
        for &[i, j] in &self.beads {
            for (receiver, sender) in [(i, j), (j, i)] {
                let next = &mut next[receiver as usize];
                graph.col[*next as usize] = sender;
                *next += 1;
            }
        }
        graph
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        8 * self.beads.capacity()
            + 24 * self.separation.capacity()
            + 4 * self.n_neighbors.capacity()
    }
}

/// See [`crate::ops::Ops::neighbor_list`].
pub(super) fn neighbor_list(
    positions: &[[f64; 3]],
    first_bead: &[usize],
    radius: f64,
) -> Result<Graph> {
    let mut pairs = Pairs::default();
    for replica in first_bead.windows(2) {
        let positions = &positions[replica[0]..replica[1]];
        Candidates::default().within(positions, (radius, None), replica[0], &mut pairs)?;
    }
    Ok(pairs.graph())
}
