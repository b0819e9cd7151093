//! The prior terms. Their parameters are round numbers of the usual size, not fitted to data.

use super::chain::{C, CA, GLY_CA, N, N_TYPES, O};
use crate::model::prior::TypeKey;
use crate::model::{Prior, PriorForm, PriorParameters};
use crate::random::Draw;
use crate::structure::Topology;

/// The CB of any residue, in the tables below. CA there also stands for the CA of glycine.
const CB: u32 = 0;

/// Beads of a bond, k in kcal/mol/Å², x0 in Å.
///
/// The stiffest bond oscillates with ω = √(2k/μ) ≈ 180/ps, so that ω dt < 0.8 at 0.004 ps.
const BONDS: [([u32; 2], f64, f64); 5] = [
    ([N, CA], 210.0, 1.46),
    ([CA, CB], 160.0, 1.53),
    ([CA, C], 190.0, 1.52),
    ([C, O], 260.0, 1.23),
    ([C, N], 240.0, 1.33),
];

/// Beads of an angle, k in kcal/mol, the angle in degrees.
///
/// Angles that are part of a dihedral are stiff, so that their three beads never become collinear.
const ANGLES: [([u32; 3], f64, f64); 7] = [
    ([N, CA, CB], 40.0, 110.0),
    ([CB, CA, C], 40.0, 110.0),
    ([N, CA, C], 65.0, 111.0),
    ([CA, C, O], 50.0, 120.5),
    ([CA, C, N], 80.0, 116.5),
    ([O, C, N], 50.0, 123.0),
    ([C, N, CA], 90.0, 121.5),
];

/// Diameters in Å of N, CA, C and O. A CB of type t has the diameter 3.4 + 0.03 t.
const DIAMETERS: [(u32, f64); 5] = [(N, 3.3), (CA, 4.0), (GLY_CA, 4.0), (C, 3.8), (O, 3.2)];

/// All terms, in the order of their lists.
pub(super) fn priors(topology: &Topology, draw: &mut Draw) -> Vec<Prior> {
    let degrees = [("phi", 3), ("psi", 3), ("pro_omega", 2), ("non_pro_omega", 1)];
    let mut priors = vec![bonds(), angles()];
    for (name, degree) in degrees.into_iter().chain([("gamma_1", 1), ("gamma_2", 1)]) {
        let tuples =
            &topology.lists.iter().find(|list| list.name == name).expect("is there").tuples;
        let keys = tuples.iter().map(|tuple| tuple.map(|bead| topology.types[bead as usize]));
        let parameters = match name {
            // Per tuple: the types of the four backbone beads do not determine the residue.
            "phi" | "psi" => PriorParameters::PerTuple {
                values: tuples.iter().flat_map(|_| backbone(degree, draw)).collect(),
            },
            _ => keyed(keys.collect(), |_| planar(name)),
        };
        priors.push(Prior { name: name.into(), form: PriorForm::Dihedral { degree }, parameters });
    }
    priors.push(non_bonded());
    priors
}

/// A table with one row for each different key.
fn keyed(mut keys: Vec<TypeKey>, row: impl Fn(TypeKey) -> Vec<f64>) -> PriorParameters {
    keys.sort_unstable();
    keys.dedup();
    let values = keys.iter().flat_map(|key| row(*key)).collect();
    PriorParameters::Keyed { keys, values }
}

/// The types that a bead of a table stands for.
fn types_of(bead: u32) -> Vec<u32> {
    match bead {
        CB => (1..=20).filter(|bead_type| *bead_type != GLY_CA).collect(),
        CA => vec![CA, GLY_CA],
        other => vec![other],
    }
}

fn bonds() -> Prior {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for ([first, last], k, x0) in BONDS {
        for first in types_of(first) {
            for last in types_of(last) {
                keys.push([first, last, 0, 0]);
                values.extend([k, x0, 0.0]);
            }
        }
    }
    let parameters = PriorParameters::Keyed { keys, values };
    Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters }
}

fn angles() -> Prior {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for ([first, middle, last], k, degrees) in ANGLES {
        for first in types_of(first) {
            for middle in types_of(middle) {
                for last in types_of(last) {
                    keys.push([first, middle, last, 0]);
                    values.extend([k, rounded(degrees.to_radians().cos()), 0.0]);
                }
            }
        }
    }
    let parameters = PriorParameters::Keyed { keys, values };
    Prior { name: "angles".into(), form: PriorForm::HarmonicAngle, parameters }
}

/// Rounds to three digits, so that cosines that differ in the last bit give the same number.
fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// v0 and the coefficients of the sines and cosines of one φ or ψ: up to 1.5 kcal/mol at degree 1,
/// less at higher degrees.
fn backbone(degree: usize, draw: &mut Draw) -> Vec<f64> {
    let amplitudes = draw.uniform(2 * degree, 1.5);
    let falling = amplitudes.iter().enumerate().map(|(k, a)| a / (1 + k % degree) as f64);
    std::iter::once(0.0).chain(falling).collect()
}

/// v0 and the coefficients of the sines and cosines of the terms that keep peptides planar and CB
/// on its side.
fn planar(name: &str) -> Vec<f64> {
    match name {
        // The minimum is at 180°; before proline there is a second, shallow minimum at 0°.
        "pro_omega" => vec![0.0, 0.0, 0.0, 3.0, -2.0],
        "non_pro_omega" => vec![0.0, 0.0, 5.0],
        // The minimum of −4.5 kcal/mol is at 32°.
        "gamma_1" => vec![0.0, -2.4, -3.8],
        _ => vec![0.0, 0.0, -5.0],
    }
}

fn non_bonded() -> Prior {
    let diameter = |bead_type: u32| {
        let backbone = DIAMETERS.iter().find(|(known, _)| *known == bead_type);
        backbone.map_or(3.4 + 0.03 * f64::from(bead_type), |(_, diameter)| *diameter)
    };
    let types = 1..N_TYPES as u32;
    let keys = types.clone().flat_map(|first| types.clone().map(move |last| [first, last, 0, 0]));
    let sigma = |key: TypeKey| vec![0.5 * (diameter(key[0]) + diameter(key[1]))];
    let parameters = keyed(keys.collect(), sigma);
    Prior { name: "non_bonded".into(), form: PriorForm::Repulsion, parameters }
}
