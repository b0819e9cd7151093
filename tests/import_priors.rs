//! The importer on every class of prior, in files that the tests write.

use flashschnet::Result;
use flashschnet::io::import::import;
use flashschnet::model::{Prior, PriorForm, PriorParameters};

use crate::pt::{self, Py, f32s, module};

fn imported(term: Py) -> Result<Prior> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pt");
    std::fs::write(&path, pt::file(&pt::module_dict(vec![("term", term)]))).unwrap();
    Ok(import(&path)?.model.unwrap().priors.remove(0))
}

/// A tensor of parameters with one axis of two bead types per bead, `order` axes in all. An axis of
/// the length of `series` precedes them if `axis` is set. Only the elements of the key
/// (0, 1, 1, ..) are not zero.
fn table(order: u32, series: &[f32], axis: bool) -> Py {
    let n = 1 << order;
    let place = n / 2 - 1;
    let mut values = vec![0.0; n * series.len()];
    for (k, value) in series.iter().enumerate() {
        values[k * n + place] = *value;
    }
    let first = axis.then_some(series.len() as i64);
    let shape: Vec<i64> = first.into_iter().chain((0..order).map(|_| 2)).collect();
    f32s(&shape, values)
}

type Tensors = Vec<(&'static str, Py)>;
type Attributes = Vec<(&'static str, Py)>;

/// Class, tensors and attributes of every prior, and the expected form and parameters.
fn every_class() -> Vec<(&'static str, Tensors, Attributes, PriorForm, Vec<f64>)> {
    let harmonic =
        |order| vec![("x_0", table(order, &[2.5], false)), ("k", table(order, &[4.0], false))];
    let quartic =
        || vec![("ks", table(3, &[1.0, 2.0, 3.0, 4.0], true)), ("v_0", table(3, &[0.5], false))];
    let fourier = || {
        let [k1s, k2s] = [[1.0, 2.0], [3.0, 4.0]].map(|k| table(4, &k, true));
        vec![("k1s", k1s), ("k2s", k2s), ("v_0", table(4, &[0.5], false))]
    };
    let pair = |name, value| (name, table(2, &[value], false));
    let restricted = ["a", "b", "c", "d", "k", "v_0"].into_iter().zip(1..);
    let restricted = restricted.map(|(name, k)| (name, table(3, &[k as f32], false))).collect();
    let cutoff = || vec![("cutoff", Py::Float(7.5))];
    let degrees = |n| vec![("n_degs", Py::Int(n))];
    let harmonic_row = || vec![4.0, 2.5, 0.0];
    let quartic_row = || vec![0.5, 1.0, 2.0, 3.0, 4.0];
    let fourier_row = || vec![0.5, 1.0, 2.0, 3.0, 4.0];
    use PriorForm as F;
    let fourier_form = F::Dihedral { degree: 2 };
    vec![
        ("HarmonicBonds", harmonic(2), vec![], F::HarmonicBond, harmonic_row()),
        ("GeneralBonds", harmonic(2), vec![], F::HarmonicBond, harmonic_row()),
        ("HarmonicAngles", harmonic(3), vec![], F::HarmonicAngle, harmonic_row()),
        ("GeneralAngles", harmonic(3), vec![], F::HarmonicAngle, harmonic_row()),
        ("HarmonicAnglesRaw", harmonic(3), vec![], F::HarmonicAngleRaw, harmonic_row()),
        ("HarmonicImpropers", harmonic(4), vec![], F::HarmonicImproper, harmonic_row()),
        (
            "ShiftedPeriodicHarmonicImpropers",
            harmonic(4),
            vec![],
            F::ShiftedHarmonicImproper,
            harmonic_row(),
        ),
        ("Dihedral", fourier(), degrees(2), fourier_form, fourier_row()),
        ("FourierSeries", fourier(), degrees(2), fourier_form, fourier_row()),
        ("QuarticAngles", quartic(), degrees(4), F::QuarticAngle, quartic_row()),
        ("QuarticRawAngles", quartic(), degrees(4), F::QuarticAngleRaw, quartic_row()),
        (
            "RestrictedQuartic",
            restricted,
            vec![],
            F::RestrictedQuartic,
            vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        ),
        ("Repulsion", vec![pair("sigma", 3.5)], vec![], F::Repulsion, vec![3.5]),
        ("CutoffRepulsion", vec![pair("sigma", 3.5)], cutoff(), F::CutoffRepulsion, vec![3.5, 7.5]),
        (
            "ExpRepulsion",
            vec![pair("alpha", 8.0), pair("r_0", 4.5)],
            vec![],
            F::ExpRepulsion,
            vec![8.0, 4.5],
        ),
        (
            "CutoffExpRepulsion",
            vec![pair("alpha", 8.0), pair("r_0", 4.5)],
            cutoff(),
            F::CutoffExpRepulsion,
            vec![8.0, 4.5, 7.5],
        ),
    ]
}

fn term(class: &'static str, tensors: Tensors, mut attributes: Attributes, order: usize) -> Py {
    attributes.extend([("name", "term".into()), ("order", Py::Int(order as i64))]);
    module(("mlcg.nn.prior", class), tensors, [], attributes)
}

#[test]
fn every_class_of_prior_is_read() {
    for (class, tensors, attributes, form, values) in every_class() {
        let prior = imported(term(class, tensors, attributes, form.order()))
            .unwrap_or_else(|error| panic!("{class}: {error}"));
        assert_eq!(prior.form, form, "{class}");
        let mut key = [0; 4];
        key[1..form.order()].fill(1);
        assert_eq!(prior.parameters, PriorParameters::Keyed { keys: vec![key], values }, "{class}");
    }
}

#[test]
fn what_a_class_lacks_or_has_too_much_is_an_error_with_its_place() {
    for (class, tensors, attributes, form, _) in every_class() {
        let import = |tensors: &Tensors, attributes: &Attributes, order| {
            let term = term(class, tensors.clone(), attributes.clone(), order);
            imported(term).unwrap_err().to_string()
        };
        for lacking in 0..tensors.len() {
            let mut fewer = tensors.clone();
            let (name, _) = fewer.remove(lacking);
            let error = import(&fewer, &attributes, form.order());
            let expected = if name == "k1s" { "found none" } else { &format!("found no {name}") };
            assert!(error.contains("term/model") && error.contains(expected), "{class}: {error}");
        }
        let mut more = tensors.clone();
        more.push(("surprise", f32s(&[1], [1.0])));
        let error = import(&more, &attributes, form.order());
        assert!(error.contains("the part \"surprise\""), "{class}: {error}");
        let error = import(&tensors, &attributes, form.order() + 1);
        assert!(error.contains("term/model/order: found"), "{class}: {error}");
        if let Some((name, _)) = attributes.first() {
            let error = match *name {
                "cutoff" => import(&tensors, &vec![], form.order()),
                _ => import(&tensors, &vec![(*name, Py::Int(7))], form.order()),
            };
            assert!(error.contains(name), "{class}: {error}");
        }
    }
}

#[test]
fn specialized_impropers_are_read() {
    let column = |x| f32s(&[2], [x, x + 1.0]);
    let tensors = vec![("x0", column(1.0)), ("k", column(3.0)), ("V0", column(5.0))];
    let prior = imported(pt::static_prior("StaticHarmonicImpropers", tensors)).unwrap();
    assert_eq!(prior.form, PriorForm::HarmonicImproper);
    let values = vec![3.0, 1.0, 5.0, 4.0, 2.0, 6.0];
    assert_eq!(prior.parameters, PriorParameters::PerTuple { values });
}
