//! Blocks of frames.

use super::source::{Facts, Source, States};

/// How the frames are cut into blocks. Trajectories of one state stand one after the other. Those of a
/// ladder are cut at the same times.
pub(super) struct Cut {
    /// The frames before those of each trajectory, and all frames of its state.
    tracks: Vec<(u64, u64)>,
    n: u64,
}

impl Cut {
    pub(super) fn new(source: &Source, n_blocks: usize) -> Self {
        let mut of_state = vec![0; source.states.len()];
        let ladders = source.tracks.iter().zip(&source.facts).filter(|(_, f)| f.is_exchanged);
        let longest = ladders.map(|(track, _)| track.chosen()).max().unwrap_or_default();
        let starts: Vec<u64> = source
            .tracks
            .iter()
            .zip(&source.facts)
            .map(|(track, facts)| match facts.states {
                States::All(state) if !facts.is_exchanged => {
                    let of_state = &mut of_state[usize::from(state)];
                    *of_state += track.chosen();
                    *of_state - track.chosen()
                }
                _ => 0,
            })
            .collect();
        let total = |facts: &Facts| match facts.states {
            States::All(state) if !facts.is_exchanged => of_state[usize::from(state)],
            _ => longest,
        };
        let tracks = starts.into_iter().zip(source.facts.iter().map(total)).collect();
        Cut { tracks, n: n_blocks as u64 }
    }

    /// The block of a chosen frame.
    pub(super) fn block(&self, track: usize, chosen: u64) -> usize {
        let (start, total) = self.tracks[track];
        ((start + chosen) * self.n / total.max(1)).min(self.n - 1) as usize
    }
}
