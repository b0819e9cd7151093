//! `request`: readings that are on their way while later steps are done.

use flashschnet::engine::{Engine, Reading, State, Terms, Wanted};
use flashschnet::variable::Variable;

use crate::common::{Backend, chains, hot, points};
use crate::exchange::imploding;

with_tables!(
    a_requested_reading_is_that_of_its_step,
    a_requested_reading_survives_an_overflow,
    other_calls_wait_for_the_reading,
);

on_every_backend!(
    @ wgpu_batches:
    a_requested_reading_is_that_of_its_step,
    a_requested_reading_survives_an_overflow,
    other_calls_wait_for_the_reading
);

const FRAME: Wanted = Wanted {
    state: true,
    hills: false,
    energies: Some(Terms::Total),
    forces: false,
    trace: true,
    observables: true,
    biases: false,
};

/// Steps, perhaps an exchange, and a reading, again and again. `asked` readings are requested, and
/// collected after the steps that follow.
fn rounds(engine: &mut dyn Engine, n_rounds: usize, exchanges: bool, asked: bool) -> Vec<Reading> {
    let mut readings = Vec::new();
    for k in 0..n_rounds {
        engine.advance(3 + k as u64 % 5).unwrap();
        let wanted = Wanted { forces: k % 3 == 0, ..FRAME };
        if !asked {
            readings.push(engine.read(wanted).unwrap());
        } else {
            engine.request(wanted).unwrap();
        }
        if exchanges {
            engine.exchange().unwrap();
        }
        engine.advance(k as u64 % 4).unwrap();
        if exchanges && k % 2 == 0 {
            engine.exchange().unwrap();
        }
        if asked {
            readings.push(engine.collect().unwrap());
        }
    }
    readings.push(engine.read(FRAME).unwrap());
    readings
}

fn a_requested_reading_is_that_of_its_step(backend: &Backend) {
    let (system, state) = chains(9, 4);
    let [read, asked] = [false, true].map(|asked| {
        let mut engine = backend.moving(system.clone(), &hot(4), &state);
        engine.set_observables(&[Variable::end_to_end(9), Variable::radius_of_gyration()]).unwrap();
        rounds(&mut *engine, 8, false, asked)
    });
    assert_eq!(read, asked);
    assert!(read.windows(2).all(|pair| pair[0].step < pair[1].step));
    assert!(read.windows(2).all(|pair| pair[0].observables != pair[1].observables));
    assert!(read.iter().all(|read| read.observables.iter().map(Vec::len).eq([4, 4])));
}

fn a_requested_reading_survives_an_overflow(backend: &Backend) {
    let (system, dynamics, state) = imploding();
    let [read, asked] = [false, true].map(|asked| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.set_observables(&[Variable::radius_of_gyration()]).unwrap();
        let readings = rounds(&mut *engine, 8, true, asked);
        let edges = engine.probe().n_edges().unwrap();
        // The room at first.
        assert!(edges.iter().max() > Some(&174), "{edges:?}");
        readings
    });
    for (k, (read, asked)) in read.iter().zip(&asked).enumerate() {
        assert_eq!(read, asked, "reading {k}");
    }
    assert!(read.iter().any(|reading| reading.trace.len() > 1));
}

fn other_calls_wait_for_the_reading(backend: &Backend) {
    let (system, state) = chains(9, 2);
    let mut engine = backend.moving(system.clone(), &hot(2), &state);
    assert!(engine.collect().unwrap_err().to_string().contains("one that was requested"));
    engine.advance(3).unwrap();
    let expected = engine.read(FRAME).unwrap();
    engine.request(FRAME).unwrap();
    assert!(engine.request(FRAME).unwrap_err().to_string().contains("a second request"));
    engine.advance(2).unwrap();
    let later = engine.state().unwrap();
    engine.set_external_forces(Some(&points(4, later.positions.len(), 3.0))).unwrap();
    engine.advance(2).unwrap();
    engine.set_external_forces(None).unwrap();
    assert_eq!(engine.collect().unwrap(), expected);
    assert_eq!(later.step, 5);
    // A state that is set forgets the reading.
    engine.request(FRAME).unwrap();
    engine.set_state(&later).unwrap();
    assert!(engine.collect().is_err());
    engine.request(FRAME).unwrap();
    engine.advance(1).unwrap();
    let State { positions, .. } = engine.collect().unwrap().state.unwrap();
    assert_eq!(positions, later.positions);
    // An engine with a reading under way can be dropped.
    engine.request(FRAME).unwrap();
    engine.advance(5).unwrap();
}
