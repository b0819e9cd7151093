//! Folding and unfolding by core sets, and mean first passage times.
//!
//! A frame in a core is in the state of the core. Between the cores, the state is the one of the core
//! that was visited last, so that a path that turns back is no event. Before the first visit the
//! state is unknown. An event happens when the other core is reached. Source: N.-V. Buchete and
//! G. Hummer, J. Phys. Chem. B 112, 6057 (2008); Ch. Schütte, F. Noé, J. Lu, M. Sarich and
//! E. Vanden-Eijnden, J. Chem. Phys. 134, 204105 (2011).

use super::blocks::Estimate;
use crate::error::{Error, Result};

/// The cores of the folded and of the unfolded state, as ranges of a coordinate.
///
/// With `folded` > `unfolded`, values from `folded` upward and from `unfolded` downward are the cores,
/// as for the fraction of native contacts. With `folded` < `unfolded` it is the other way round, as
/// for the RMSD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cores {
    /// The border of the folded core, in the unit of the coordinate.
    pub folded: f64,
    /// The border of the unfolded core.
    pub unfolded: f64,
}

impl Cores {
    /// The core that contains a value.
    pub fn of(&self, value: f64) -> Option<State> {
        let sign = (self.folded - self.unfolded).signum();
        if sign * (value - self.folded) >= 0.0 {
            Some(State::Folded)
        } else if sign * (value - self.unfolded) <= 0.0 {
            Some(State::Unfolded)
        } else {
            None
        }
    }
}

/// A state of the protein.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The folded core was visited last.
    Folded,
    /// The unfolded core was visited last.
    Unfolded,
}

/// The direction of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the unfolded to the folded state.
    Folding,
    /// From the folded to the unfolded state.
    Unfolding,
}

impl Direction {
    /// The state that is left.
    pub fn from(self) -> State {
        match self {
            Direction::Folding => State::Unfolded,
            Direction::Unfolding => State::Folded,
        }
    }
}

/// The other core is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// The time of the frame.
    pub time: f64,
    /// The direction.
    pub direction: Direction,
}

/// Events, and the time in each state, of trajectories frame by frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Passages {
    cores: Cores,
    /// The state and the time of the last frame of the present trajectory.
    last: Option<(Option<State>, f64)>,
    /// The number of events by direction: folding, unfolding.
    events: [u64; 2],
    /// The time by direction, spent in the state that it leaves.
    times: [f64; 2],
}

/// First passages in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Kinetics {
    /// The direction.
    pub direction: Direction,
    /// The number of events.
    pub events: u64,
    /// The time in the state that is left, stays without an event at their end included.
    pub time: f64,
    /// The time divided by the number of events, with the error `value/√events`; `None` without
    /// events.
    pub mean_first_passage: Option<Estimate>,
}

impl Passages {
    /// No frames yet.
    ///
    /// # Errors
    ///
    /// If the borders are equal, or one is not finite.
    pub fn new(cores: Cores) -> Result<Passages> {
        let Cores { folded, unfolded } = cores;
        if folded == unfolded || !folded.is_finite() || !unfolded.is_finite() {
            let found = format!("folded {folded}, unfolded {unfolded}");
            return Err(Error::invalid("cores", found, "two different finite borders"));
        }
        Ok(Passages { cores, last: None, events: [0; 2], times: [0.0; 2] })
    }

    /// A new trajectory, or one that continues after a gap. The state is unknown until a core is
    /// visited.
    pub fn begin(&mut self) {
        self.last = None;
    }

    /// The next frame. The time since the frame before belongs to the state of that frame. Returns
    /// the event, if the other core is reached. A value or a time that is not finite is a gap. If the
    /// time is not later than that of the frame before, there is a gap between both.
    pub fn push(&mut self, time: f64, value: f64) -> Option<Event> {
        if self.last.is_some_and(|(_, last)| time <= last) {
            self.begin();
        }
        if !value.is_finite() || !time.is_finite() {
            self.begin();
            return None;
        }
        let before = self.last.and_then(|(state, at)| state.map(|state| (state, at)));
        let core = self.cores.of(value);
        self.last = Some((core.or(before.map(|(state, _)| state)), time));
        let (state, at) = before?;
        let direction = match state {
            State::Unfolded => Direction::Folding,
            State::Folded => Direction::Unfolding,
        };
        self.times[direction as usize] += time - at;
        core.filter(|core| *core != state)?;
        self.events[direction as usize] += 1;
        Some(Event { time, direction })
    }

    /// The state of the last frame; `None` if no core was visited.
    pub fn state(&self) -> Option<State> {
        self.last?.0
    }

    /// Adds the events and times of other trajectories. The present trajectory goes on.
    pub fn join(&mut self, other: &Passages) {
        for k in 0..2 {
            self.events[k] += other.events[k];
            self.times[k] += other.times[k];
        }
    }

    /// The mean first passage time in a direction.
    ///
    /// It is the total time in the state that is left, divided by the number of events. For a Poisson
    /// process, this is the most likely value, with the relative error 1/√events. It equals the mean
    /// first passage time of the Markov model of the two states with a lag of one frame.
    pub fn kinetics(&self, direction: Direction) -> Kinetics {
        let (events, time) = (self.events[direction as usize], self.times[direction as usize]);
        let value = time / events as f64;
        let estimate = Estimate { value, error: Some(value / (events as f64).sqrt()) };
        let mean_first_passage = (events > 0).then_some(estimate);
        Kinetics { direction, events, time, mean_first_passage }
    }
}
