//! Runs that are cut, read, restarted or repeated on a device: their bits are those of a straight run.

use flashschnet::engine::{Engine, Reading, State, Terms, Wanted};

/// Edges of [`crate::exchange::imploding`] for which its neighbor list has room at first.
const ROOM: u64 = 174;

/// Runs 20 steps from a state straight, in pieces, and with evaluations of these terms, readings and
/// restarts between the pieces. `new` makes an engine in a state. Returns the last reading.
pub(crate) fn cuts_do_not_show(
    what: &str,
    (start, wanted): (&State, Wanted),
    terms: &[Terms],
    new: impl Fn(&State) -> Box<dyn Engine>,
) -> Reading {
    let run = |pieces: &[u64], reads: bool| {
        let mut engine = new(start);
        for steps in pieces {
            engine.advance(*steps).unwrap();
            if reads {
                for term in terms {
                    engine.evaluate(*term).unwrap();
                }
                engine.request(wanted).unwrap();
                engine.advance(2).unwrap();
                engine.collect().unwrap();
                engine = new(&engine.state().unwrap());
                engine.read(wanted).unwrap();
            }
        }
        engine.read(wanted).unwrap()
    };
    let straight = run(&[20], false);
    assert_eq!(run(&[2, 4, 0, 14], false), straight, "{what}");
    assert_eq!(run(&[2, 4, 8], true), straight, "{what}");
    straight
}

/// Runs 48 steps of [`crate::exchange::imploding`] with readings on their way and without. A list
/// overflows, so a device repeats steps. `new` makes the engine.
pub(crate) fn overflows_do_not_show(wanted: Wanted, new: impl Fn() -> Box<dyn Engine>) {
    let run = |reads: bool| {
        let mut engine = new();
        for _ in 0..8 {
            if reads {
                engine.request(wanted).unwrap();
            }
            engine.advance(6).unwrap();
            if reads {
                engine.collect().unwrap();
                engine.settle().unwrap();
                engine.read(wanted).unwrap();
            }
        }
        let edges = engine.probe().n_edges().unwrap();
        (engine.read(wanted).unwrap(), edges)
    };
    let (alone, read) = (run(false), run(true));
    assert!(alone.1.iter().max() > Some(&ROOM), "{:?}", alone.1);
    assert_eq!(alone, read);
}
