//! The samples in memory, and sums over all frames.

use crate::Result;
use crate::analysis::frames::Track;

use super::source::Source;

/// The frames that statistics work on: every `every`th chosen frame.
pub(super) struct Samples {
    pub(super) every: u64,
    /// The first sample of each trajectory, and the number of all.
    pub(super) starts: Vec<usize>,
    pub(super) state: Vec<usize>,
    pub(super) block: Vec<usize>,
    /// The values of each column of quantities.
    pub(super) columns: Vec<Vec<f64>>,
    /// kcal/mol; empty if there are none.
    pub(super) potential: Vec<f64>,
    /// The energies of the biases of each state in each sample, sample after sample, kcal/mol; empty
    /// without biases.
    pub(super) biases: Vec<f64>,
}

impl Samples {
    /// Room for every `every`th frame of all trajectories.
    pub(super) fn new(source: &Source, every: u64, n_columns: usize) -> Self {
        let of_track = |track: &Track| track.chosen().div_ceil(every) as usize;
        let mut starts = vec![0];
        for track in &source.tracks {
            starts.push(starts[starts.len() - 1] + of_track(track));
        }
        let n = starts[starts.len() - 1];
        Samples {
            every,
            starts,
            state: Vec::with_capacity(n),
            block: Vec::with_capacity(n),
            columns: (0..n_columns).map(|_| Vec::with_capacity(n)).collect(),
            potential: Vec::new(),
            biases: Vec::new(),
        }
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, state: usize, block: usize, values: impl Iterator<Item = f64>) {
        self.state.push(state);
        self.block.push(block);
        self.columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }

    /// Reads the potential energies of the samples, if there are runs.
    pub(super) fn read_potentials(&mut self, source: &Source) -> Result<()> {
        if source.runs.is_empty() {
            return Ok(());
        }
        self.potential = vec![f64::NAN; self.state.len()];
        for run in &source.runs {
            run.potentials(|track, row, potential| {
                let of = &source.tracks[track];
                let every = (of.frame(1) - of.frame(0)) * self.every;
                let at = row.checked_sub(of.frame(0)).filter(|at| at.is_multiple_of(every));
                let place = at.map(|at| self.starts[track] + (at / every) as usize);
                if let Some(place) = place.filter(|place| *place < self.starts[track + 1]) {
                    self.potential[place] = potential;
                }
            })?;
        }
        Ok(())
    }
}

/// Sums over all frames by state, block and column.
pub(super) struct Averages {
    n_columns: usize,
    n_blocks: usize,
    /// Number and sum of known values.
    sums: Vec<(u64, f64)>,
}

impl Averages {
    pub(super) fn new(n_states: usize, n_blocks: usize, n_columns: usize) -> Self {
        Averages { n_columns, n_blocks, sums: vec![(0, 0.0); n_states * n_blocks * n_columns] }
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, state: usize, block: usize, values: impl Iterator<Item = f64>) {
        let place = self.place(state, block, 0);
        for (sum, value) in self.sums[place..].iter_mut().zip(values) {
            if value.is_finite() {
                *sum = (sum.0 + 1, sum.1 + value);
            }
        }
    }

    fn place(&self, state: usize, block: usize, column: usize) -> usize {
        (state * self.n_blocks + block) * self.n_columns + column
    }

    /// The number and the sum of the known values of a column in each block of a state.
    pub(super) fn blocks(&self, state: usize, column: usize) -> impl Iterator<Item = (u64, f64)> {
        (0..self.n_blocks).map(move |block| self.sums[self.place(state, block, column)])
    }
}
