use flashschnet::analysis::statistics::blocks::Estimate;
use flashschnet::analysis::statistics::events::{Cores, Direction, Event, Passages, State};
use flashschnet::random::{Stream, uniform4};
use serde::Deserialize;

use super::golden;
use crate::common::assert_close;

const Q: Cores = Cores { folded: 0.8, unfolded: 0.3 };

#[derive(Deserialize)]
struct Golden {
    trajectories: Vec<Vec<f64>>,
    folding: f64,
    unfolding: f64,
}

fn passages<'a>(trajectories: impl IntoIterator<Item = &'a Vec<f64>>) -> Passages {
    let mut passages = Passages::new(Q).unwrap();
    for trajectory in trajectories {
        passages.begin();
        for (frame, value) in trajectory.iter().enumerate() {
            passages.push(frame as f64, *value);
        }
    }
    passages
}

fn mean(passages: &Passages, direction: Direction) -> f64 {
    passages.kinetics(direction).mean_first_passage.expect("there are events").value
}

#[test]
fn equals_deeptime() {
    let golden: Golden = golden("events");
    let all = passages(&golden.trajectories);
    assert_close("folding", &[mean(&all, Direction::Folding)], &[golden.folding], 1e-12);
    assert_close("unfolding", &[mean(&all, Direction::Unfolding)], &[golden.unfolding], 1e-12);

    let mut joined = passages(&golden.trajectories[..1]);
    joined.join(&passages(&golden.trajectories[1..]));
    for direction in [Direction::Folding, Direction::Unfolding] {
        assert_eq!(joined.kinetics(direction), all.kinetics(direction));
    }
}

#[test]
fn an_event_is_the_arrival_in_the_other_core() {
    let mut passages = Passages::new(Q).unwrap();
    assert_eq!(passages.state(), None);
    let values = [0.5, 0.9, 0.5, 0.7, 0.85, 0.31, 0.3, 0.79, 0.1, 0.8];
    let found: Vec<_> = (0..).zip(values).map(|(t, q)| passages.push(f64::from(t), q)).collect();
    let event = |time, direction| Some(Event { time, direction });
    assert_eq!(found[6], event(6.0, Direction::Unfolding));
    assert_eq!(found[9], event(9.0, Direction::Folding));
    assert_eq!(found.iter().flatten().count(), 2);
    assert_eq!(passages.state(), Some(State::Folded));
    let unfolding = passages.kinetics(Direction::Unfolding);
    assert_eq!((unfolding.events, unfolding.time), (1, 5.0));
    assert_eq!(passages.kinetics(Direction::Folding).time, 3.0);

    // A small RMSD is folded.
    let rmsd = Cores { folded: 2.0, unfolded: 6.0 };
    let states = [1.0, 2.0, 4.0, 6.0, 9.0].map(|rmsd_of| rmsd.of(rmsd_of));
    let (folded, unfolded) = (Some(State::Folded), Some(State::Unfolded));
    assert_eq!(states, [folded, folded, None, unfolded, unfolded]);
    assert_eq!(Direction::Folding.from(), State::Unfolded);
}

#[test]
fn the_state_is_unknown_after_a_gap() {
    let mut passages = Passages::new(Q).unwrap();
    passages.push(0.0, 0.9);
    passages.push(1.0, 0.5);
    passages.begin();
    assert_eq!(passages.push(100.0, 0.2), None);
    assert_eq!(passages.push(101.0, f64::NAN), None);
    assert_eq!((passages.state(), passages.push(102.0, 0.9)), (None, None));
    passages.push(104.0, 0.5);
    let unfolding = passages.kinetics(Direction::Unfolding);
    assert_eq!((unfolding.events, unfolding.time), (0, 3.0));
    assert_eq!(unfolding.mean_first_passage, None);
    assert_eq!(passages.kinetics(Direction::Folding).time, 0.0);

    // A clock that stands still or steps back: the frames are those of another trajectory.
    for time in [104.0, 3.0] {
        let mut other = passages.clone();
        assert_eq!(other.push(time, 0.2), None);
        assert_eq!(other.state(), Some(State::Unfolded));
        assert_eq!(other.push(time + 1.0, 0.9).map(|event| event.time), Some(time + 1.0));
        let times = [Direction::Unfolding, Direction::Folding].map(|of| other.kinetics(of).time);
        assert_eq!(times, [3.0, 1.0]);
    }
    // A time or a value that is not finite.
    for (time, value) in [(f64::NAN, 0.9), (f64::INFINITY, 0.9), (105.0, f64::INFINITY)] {
        let mut other = passages.clone();
        assert_eq!((other.push(time, value), other.state()), (None, None));
    }
}

/// A process that jumps with the probabilities 1/50 and 1/20 a frame of 2 ps. It has about 14,000
/// events in each direction.
#[test]
fn finds_the_rates_of_a_jump_process() {
    let mut passages = Passages::new(Q).unwrap();
    let mut folded = false;
    for frame in 0..1_000_000 {
        let u = uniform4(11, Stream::Noise, 0, frame, 0)[0];
        folded ^= u < if folded { 1.0 / 20.0 } else { 1.0 / 50.0 };
        passages.push(2.0 * frame as f64, if folded { 1.0 } else { 0.0 });
    }
    for (direction, exact) in [(Direction::Folding, 100.0), (Direction::Unfolding, 40.0)] {
        let found = passages.kinetics(direction);
        let Estimate { value, error } = found.mean_first_passage.unwrap();
        assert!((value - exact).abs() < 3.0 * error.unwrap(), "{found:?}");
        assert!(error.unwrap() < 0.01 * value && found.events > 13_000, "{found:?}");
    }
}

#[test]
fn cores_without_room_between_them_are_refused() {
    for (folded, unfolded) in [(0.5, 0.5), (f64::NAN, 0.3), (f64::INFINITY, 0.3)] {
        let message = Passages::new(Cores { folded, unfolded }).unwrap_err().to_string();
        assert!(message.starts_with("cores: found folded"), "{message}");
    }
}
