//! The folding and unfolding of all trajectories.

use crate::Result;
use crate::analysis::frames::Chunk;
use crate::analysis::statistics::events::{Cores, Direction, Event, Passages};

use super::columns::Columns;
use super::source::{Source, States};

/// Passages of each state, and at last those of the trajectories that change their state.
pub(super) struct Transitions {
    pub(super) passages: Vec<Passages>,
    /// The trajectory of each event.
    pub(super) events: Vec<(usize, Event)>,
    /// Why there are none.
    pub(super) reason: Option<&'static str>,
}

impl Transitions {
    pub(super) fn new(source: &Source, columns: &Columns) -> Result<Self> {
        let cores = Cores { folded: columns.cores[0], unfolded: columns.cores[1] };
        let passages = (0..=source.states.len()).map(|_| Passages::new(cores));
        let has_times = source.facts.iter().any(|of| of.clock.tells_order());
        let is_continuous = source.facts.iter().all(|facts| facts.is_continuous);
        let reason = match (columns.core, has_times, is_continuous) {
            (None, ..) if columns.reference.is_some() => {
                Some("the reference has no native contacts")
            }
            (None, ..) => Some("there is no reference"),
            (_, false, _) => Some("the times of frames are not known"),
            (_, _, false) => {
                Some("frames of the states of a ladder do not follow each other in time")
            }
            _ => None,
        };
        Ok(Transitions { passages: passages.collect::<Result<_>>()?, events: Vec::new(), reason })
    }

    /// Tells that a direction has no event, if events are known.
    pub(super) fn missing(&self) -> Option<String> {
        let has = |direction| self.events.iter().any(|(_, event)| event.direction == direction);
        let which = match (has(Direction::Folding), has(Direction::Unfolding)) {
            _ if self.reason.is_some() => return None,
            (true, true) => return None,
            (false, true) => "folding",
            (true, false) => "unfolding",
            (false, false) => "folding or unfolding",
        };
        Some(format!("there is no {which} event"))
    }

    /// Adds frames of a trajectory: times in ps, and values of the coordinate of the cores.
    pub(super) fn add(
        &mut self,
        source: &Source,
        chunk: Chunk,
        frames: impl Iterator<Item = (f64, f64)>,
    ) {
        let facts = &source.facts[chunk.track];
        if self.reason.is_some() || !facts.clock.tells_order() {
            return;
        }
        let passages = match facts.states {
            States::All(state) if facts.ladder.is_none() => &mut self.passages[usize::from(state)],
            _ => &mut self.passages[source.states.len()],
        };
        if chunk.start == 0 {
            passages.begin();
        }
        for (time, value) in frames {
            let event = passages.push(time, value);
            self.events.extend(event.map(|event| (chunk.track, event)));
        }
    }
}
