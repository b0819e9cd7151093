//! The times of the frames of a file.

use crate::analysis::frames::{Stamp, Track};
use crate::error::printable;

use super::source::Clock;

/// The most spans of a file.
const MOST_SPANS: usize = 1 << 16;

/// Frames that follow each other at equal distances in time.
struct Span {
    first: u64,
    n: u64,
    /// The times of the first two frames and of the last one, ps.
    start: f64,
    second: f64,
    last: f64,
}

impl Span {
    /// Whether a frame is the next one.
    fn goes_on_with(&self, frame: u64, time: f64) -> bool {
        let interval = self.second - self.start;
        // Times in files have the precision of f32.
        let tolerance = 1e-3 * interval + f64::from(f32::EPSILON) * 2.0 * time.abs();
        let is_even = match self.n {
            1 => time > self.last,
            _ => (time - self.last - interval).abs() <= tolerance,
        };
        is_even && frame == self.first + self.n
    }
}

/// The times of a file, frame by frame.
#[derive(Default)]
pub(super) struct Times {
    spans: Vec<Span>,
    /// Frames at the time of the frame before them.
    n_repeated: u64,
    /// Whether there is a frame without a time, and whether there are more spans than are kept.
    is_unknown: bool,
    is_uneven: bool,
}

impl Times {
    pub(super) fn push(&mut self, frame: u64, stamp: Stamp) {
        let Some((_, time)) = stamp.filter(|(_, time)| time.is_finite()) else {
            self.is_unknown = true;
            return;
        };
        let n_spans = self.spans.len();
        match self.spans.last_mut() {
            Some(span) if span.goes_on_with(frame, time) => {
                if span.n == 1 {
                    span.second = time;
                }
                (span.n, span.last) = (span.n + 1, time);
            }
            Some(span) if time == span.last => self.n_repeated += 1,
            _ if n_spans == MOST_SPANS => self.is_uneven = true,
            _ => {
                self.spans.push(Span { first: frame, n: 1, start: time, second: time, last: time })
            }
        }
    }

    /// The first and the last time, ps, if the file tells times.
    fn range(&self) -> Option<[f64; 2]> {
        let is_same = self.spans.len() == 1 && self.spans[0].n == 1 && self.n_repeated > 0;
        let known = self.spans.first().zip(self.spans.last());
        known.filter(|_| !is_same && !self.is_unknown).map(|(first, last)| [first.start, last.last])
    }

    /// The parts of a trajectory with equal distances in time, with their clocks. Lines of the log tell
    /// if there are several, or if `interval` replaces the times.
    pub(super) fn parts(
        self,
        track: Track,
        interval: Option<f64>,
        log: &mut Vec<String>,
    ) -> Vec<(Track, Clock)> {
        let name = printable(&track.name);
        let (clock, [first, last]) = match (interval, self.range()) {
            (None, None) => return vec![(track, Clock::Unknown)],
            (Some(interval), None) => return vec![(track, Clock::Every(interval))],
            (Some(interval), Some(range)) => (Some(Clock::Every(interval)), range),
            (None, Some(range)) => (self.is_uneven.then_some(Clock::Uneven), range),
        };
        match &clock {
            Some(Clock::Every(interval)) => log.push(format!(
                "{name}: --interval {interval} replaces the times of the file, {first} to {last} ps"
            )),
            Some(_) => log.push(format!(
                "{name}: the time between frames changes all the time, so there are no folding events"
            )),
            None => {}
        }
        if let Some(clock) = clock {
            return vec![(track, clock)];
        }
        if self.n_repeated > 0 {
            log.push(format!(
                "{name}: {} frames have the time of the frame before them and are left out",
                self.n_repeated
            ));
        }
        if let [before, next, ..] = &self.spans[..] {
            log.push(format!(
                "{name}: the times do not go on evenly: frame {} follows {} ps and has {} ps; {} parts \
                 are trajectories of their own in folding events and TICA",
                next.first,
                before.last,
                next.start,
                self.spans.len()
            ));
        }
        let of_span = |span: &Span| {
            let n = (span.n - 1) as f64;
            let interval = (span.n > 1).then(|| (span.last - span.start) / n);
            (track.part(span.first, span.n), Clock::File { start: span.start, interval })
        };
        self.spans.iter().map(of_span).collect()
    }
}
