//! Biases that cannot be.

use flashschnet::Error;
use flashschnet::backend::BackendKind;
use flashschnet::bias::BiasForm;
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::variable::Variable;

use super::{N, READING, bias, gentle, harmonic};
use crate::callback::pairs;
use crate::common::{Backend, chains, hot};

on_every_backend!(@ reference: wrong_biases_are_refused);
without_network!(wrong_biases_are_refused);

fn wrong_biases_are_refused(backend: &Backend) {
    let (system, start) = chains(N, 3);
    let mut engine = backend.moving(system, &hot(3), &start);
    let kept = gentle(3);
    engine.set_biases(&kept).unwrap();
    let ends = || Variable::end_to_end(N);
    let flat = |variable: Variable, lower: &[f64], upper: &[f64]| {
        let (lower, upper) = (lower.to_vec(), upper.to_vec());
        bias("pull", variable, BiasForm::FlatBottom { k: vec![1.0], lower, upper })
    };
    let dihedral = || Variable::Dihedral([0, 1, 2, 3]);
    for (biases, expected) in [
        (
            vec![harmonic("pull", ends(), &[1.0], &[1.0; 2])],
            "bias pull: center: found 2 numbers, expected 1, or 3, one for each replica",
        ),
        (vec![harmonic("pull", ends(), &[], &[1.0])], "bias pull: k: found no number"),
        (vec![harmonic("pull", ends(), &[-1.0], &[1.0])], "bias pull: k: found -1"),
        (vec![harmonic("pull", ends(), &[1.0], &[f64::NAN])], "bias pull: center: found NaN"),
        (vec![harmonic("pull", ends(), &[1.0], &[1e10])], "bias pull: center: found 10000000000"),
        (vec![harmonic("pull it", ends(), &[1.0], &[1.0])], "bias: found \"pull it\""),
        (vec![harmonic("a_value", ends(), &[1.0], &[1.0])], "bias: found \"a_value\""),
        (
            vec![harmonic("pull", Variable::end_to_end(10), &[1.0], &[1.0])],
            "bias pull: distance: found bead 9",
        ),
        (
            vec![harmonic("pull", Variable::end_to_end(1), &[1.0], &[1.0])],
            "bias pull: distance: found the same beads twice",
        ),
        (vec![harmonic("pull", ends(), &[1.0], &[1.0]); 2], "bias: found pull twice"),
        (vec![flat(ends(), &[], &[])], "bias pull: lower: found neither lower nor upper"),
        (
            vec![flat(ends(), &[2.0], &[3.0, 1.0, 3.0])],
            "bias pull: upper: found 1, expected at least 2, which lower is",
        ),
        (vec![flat(dihedral(), &[2.0], &[])], "bias pull: upper: found no number"),
        (vec![flat(dihedral(), &[-4.0], &[3.0])], "bias pull: upper: found 3, expected at most 2π"),
    ] {
        let error = engine.set_biases(&biases).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(engine.read(READING).unwrap().biases.len(), kept.len());
}

#[test]
fn a_start_that_it_throws_away_is_refused() {
    let (model, structure, ..) = pairs(1, 0.0);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    let biases = vec![harmonic("pull", Variable::end_to_end(2), &[1e4], &[9.0])];
    let settings = Settings { biases, ..Settings::default() };
    let error = Simulation::new(&model, &[structure], &settings, &backend).err().unwrap();
    assert!(error.to_string().contains("the start clashes: bias pull pushes bead"), "{error}");
}
