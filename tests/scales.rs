//! Weights whose sizes leave the formats in which backends store them. A force that is wrong by a
//! percent without a word is the worst result: it must be right, or there must be an error.

use flashschnet::engine::{Engine, Terms};
use flashschnet::error::Error;
use flashschnet::model::{Activation, Cutoff, Linear, RadialBasis, RadialFunctions, SchNet};

use crate::common::{ACTIVATIONS, Backend, ENGINE, chains_with, hot, small_schnet, truth};

on_every_backend!(
    @ slow wgpu_emulated:
    networks_of_any_scale_are_right_or_refused,
    filters_of_far_pairs_do_not_disturb_near_pairs
);
on_every_backend!(
    networks_of_any_scale_are_right_or_refused,
    sums_beyond_f32_are_noticed,
    small_slopes_keep_their_digits,
    filters_of_far_pairs_do_not_disturb_near_pairs,
);
mod steps {
    use super::*;

    with_tables!(a_run_ends_at_a_sum_beyond_f32);
}
on_every_backend!(
    @ wgpu_matrix:
    networks_of_any_scale_are_right_or_refused_in_16_bits
);
mod activations {
    use super::*;

    on_every_backend!(@ slow wgpu_matrix: every_activation_is_right_in_16_bits);
}
on_every_backend!(
    @ wgpu_mixed_exact:
    networks_of_any_scale_are_right_or_refused_in_16_bits
);
on_mixed_backends!(
    networks_of_any_scale_are_right_or_refused_in_16_bits,
    every_activation_is_right_in_16_bits,
    sums_beyond_f32_are_noticed_in_16_bits,
    small_slopes_keep_their_digits_in_16_bits,
    filters_of_far_pairs_do_not_disturb_near_pairs_in_16_bits,
);

/// Multiplies the outputs of a layer.
fn scale(layer: &mut Linear, factor: impl Fn(usize) -> f64) {
    for (at, weight) in layer.weight.iter_mut().enumerate() {
        *weight *= factor(at / layer.n_in);
    }
    for (o, bias) in layer.bias.iter_mut().flatten().enumerate() {
        *bias *= factor(o);
    }
}

/// Networks with the same energies, nearly: factors that cancel are moved between layers. The last
/// ones have large or small hidden channels.
fn networks() -> Vec<(String, SchNet)> {
    let mut networks = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut SchNet)| {
        let mut schnet = small_schnet();
        change(&mut schnet);
        networks.push((name, schnet));
    };
    for factor in [1e-30, 1e-12, 1e-5, 1e5, 1e12, 1e30] {
        add(format!("filters times {factor:e}, features divided by it"), &|schnet| {
            for block in &mut schnet.interactions {
                scale(&mut block.filter1, |_| factor);
                scale(&mut block.lin1, |_| 1.0 / factor);
            }
        });
        add(format!("filters times {factor:e}, messages divided by it"), &|schnet| {
            for block in &mut schnet.interactions {
                scale(&mut block.filter1, |_| factor);
                block.lin2.weight.iter_mut().for_each(|weight| *weight /= factor);
            }
        });
        add(format!("every other filter times {factor:e}"), &|schnet| {
            let of_channel = |o: usize| if o.is_multiple_of(2) { factor } else { 1.0 };
            for block in &mut schnet.interactions {
                scale(&mut block.filter1, of_channel);
                scale(&mut block.lin1, |o| 1.0 / of_channel(o));
            }
        });
        add(format!("the energy times {factor:e}"), &|schnet| {
            scale(schnet.readout.last_mut().expect("has layers"), |_| factor);
        });
    }
    for bias in [-20.0, 300.0, 1e6] {
        add(format!("hidden channels of filters shifted by {bias:e}"), &|schnet| {
            schnet.activation = Activation::Silu;
            for block in &mut schnet.interactions {
                block.filter0.bias.iter_mut().flatten().for_each(|b| *b += bias);
                scale(&mut block.filter1, |_| 1.0 / bias.abs());
            }
        });
    }
    add("no filters at all".into(), &|schnet| {
        for block in &mut schnet.interactions {
            scale(&mut block.filter1, |_| 0.0);
        }
    });
    networks
}

/// Chooses a layer of a network.
type Choice = fn(&mut SchNet) -> &mut Linear;

/// Networks whose sums leave the range of f32, some of them as the difference of two infinities.
fn huge_networks() -> Vec<(String, SchNet)> {
    let layers: [(&str, Choice); 6] = [
        ("filter0", |schnet| &mut schnet.interactions[1].filter0),
        ("filter1", |schnet| &mut schnet.interactions[1].filter1),
        ("lin1", |schnet| &mut schnet.interactions[1].lin1),
        ("lin2", |schnet| &mut schnet.interactions[0].lin2),
        ("lin", |schnet| &mut schnet.interactions[1].lin),
        ("readout", |schnet| &mut schnet.readout[0]),
    ];
    let mut networks = Vec::new();
    for activation in ACTIVATIONS {
        for (name, layer) in layers {
            for largest in [1e30, 1e38, 3e38] {
                let mut schnet = small_schnet();
                schnet.activation = activation;
                let layer = layer(&mut schnet);
                let weights = layer.weight.iter().chain(layer.bias.iter().flatten());
                let factor = largest / weights.fold(0.0, |a: f64, b| a.max(b.abs()));
                scale(layer, |_| factor);
                networks.push((format!("{activation:?}, {name} up to {largest:e}"), schnet));
            }
        }
    }
    networks
}

/// Networks whose radial functions are 0 at short distances, where t = exp(alpha (lower - d)) leaves
/// the range of f32.
fn far_networks() -> Vec<(String, SchNet)> {
    let mut networks = Vec::new();
    for (alpha, lower) in [(10.0, 6.5), (25.0, 6.5), (10.0, 6.0)] {
        for from in [0.0, lower] {
            let mut schnet = small_schnet();
            let functions = RadialFunctions::ExpNormal {
                alpha,
                lower,
                means: (0..9).map(|k| f64::from(k) / 8.0).collect(),
                betas: vec![16.0; 9],
            };
            let cutoff = Cutoff::Cosine { lower: from, upper: 7.0 };
            schnet.radial_basis = RadialBasis { functions, cutoff };
            networks.push((format!("functions from {lower} A on, envelope from {from} A"), schnet));
        }
    }
    networks
}

/// Networks whose readout has small slopes: its hidden channels are far from 0.
fn saturated_networks(biases: &[f64]) -> Vec<(String, SchNet)> {
    let mut networks = Vec::new();
    for activation in ACTIVATIONS {
        for bias in biases {
            let mut schnet = small_schnet();
            schnet.activation = activation;
            schnet.readout[0].bias.iter_mut().flatten().for_each(|b| *b += bias);
            networks.push((format!("{activation:?}, readout shifted by {bias}"), schnet));
        }
    }
    networks
}

fn networks_of_any_scale_are_right_or_refused(backend: &Backend) {
    check(backend, networks(), ENGINE, 8);
}

fn sums_beyond_f32_are_noticed(backend: &Backend) {
    check(backend, huge_networks(), ENGINE, 8);
}

fn small_slopes_keep_their_digits(backend: &Backend) {
    // Results are proportional to the exponential of the bias, and a larger bias has a larger rounding error.
    check(backend, saturated_networks(&[2.0, -4.0, -8.0, -12.0]), ENGINE, 12);
}

/// Twice the largest error found, 2.1e-3 of the rms of the forces: this network has random weights,
/// and filters whose hidden channels are 300 lose digits in f16. The bound of mixed precision, 1e-3,
/// is for trained networks.
fn networks_of_any_scale_are_right_or_refused_in_16_bits(backend: &Backend) {
    check(backend, networks(), 4e-3, 8);
}

/// Filters on tensor cores have activations of their own (lib/near).
fn every_activation_is_right_in_16_bits(backend: &Backend) {
    let network = |activation| (format!("{activation:?}"), SchNet { activation, ..small_schnet() });
    check(backend, ACTIVATIONS.map(network).into(), 4e-3, ACTIVATIONS.len());
}

fn sums_beyond_f32_are_noticed_in_16_bits(backend: &Backend) {
    check(backend, huge_networks(), 4e-3, 8);
}

fn small_slopes_keep_their_digits_in_16_bits(backend: &Backend) {
    check(backend, saturated_networks(&[2.0, -4.0, -8.0, -12.0, -20.0, -40.0]), 4e-3, 17);
}

/// The sums of lin2 are the differences of infinities. The forces are then no numbers, and the step
/// that uses them is an error.
fn a_run_ends_at_a_sum_beyond_f32(backend: &Backend) {
    for activation in ACTIVATIONS {
        let mut schnet = small_schnet();
        schnet.activation = activation;
        scale(&mut schnet.interactions[0].lin1, |_| 1e6);
        scale(&mut schnet.interactions[0].lin2, |_| 1e38);
        let (system, state) = chains_with(schnet, 12, 1);
        let mut engine = backend.moving(system, &hot(1), &state);
        let energy = engine.evaluate(Terms::Network).unwrap().energy[0];
        assert!(!energy.is_finite(), "{activation:?}: {energy}");
        let error = engine.advance(4).and_then(|()| engine.settle()).unwrap_err();
        assert!(matches!(error, Error::BlowUp { replica: 0, .. }), "{activation:?}: {error}");
    }
}

/// The tolerance is larger than that of an engine, because alpha multiplies the rounding error of a
/// distance, 2e-7 Å.
fn filters_of_far_pairs_do_not_disturb_near_pairs(backend: &Backend) {
    check(backend, far_networks(), 1e-4, 6);
}

fn filters_of_far_pairs_do_not_disturb_near_pairs_in_16_bits(backend: &Backend) {
    check(backend, far_networks(), 4e-3, 6);
}

/// Every network gives the energies and forces of the reference, an error, or numbers that are not
/// finite. At least `least` networks give those of the reference.
fn check(backend: &Backend, networks: Vec<(String, SchNet)>, tolerance: f64, least: usize) {
    let mut wrong = Vec::new();
    let mut right = 0;
    for (name, schnet) in networks {
        let (system, state) = chains_with(schnet, 12, 1);
        let mut expected = truth(system.clone());
        expected.set_state(&state).unwrap();
        let expected = expected.evaluate(Terms::Network).unwrap();
        let dynamics = flashschnet::engine::Dynamics::none(&system);
        let found = (backend.engine)(system, &dynamics).and_then(|mut engine| {
            engine.set_state(&state)?;
            engine.evaluate(Terms::Network)
        });
        match found {
            Err(Error::Unsupported { .. } | Error::Invalid { .. } | Error::BlowUp { .. }) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(found) if !found.forces.as_flattened().iter().all(|f| f.is_finite()) => {}
            Ok(found) => {
                let forces = relative(found.forces.as_flattened(), expected.forces.as_flattened());
                let energy = relative(&found.bead_energy, &expected.bead_energy);
                match forces <= tolerance && energy <= tolerance {
                    true => right += 1,
                    false => wrong.push(format!("{name}: force {forces:e}, energy {energy:e}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right >= least, "only {right} networks were right");
}

/// The rms of the differences, in units of the rms of `expected`; 0 if both are 0.
fn relative(found: &[f64], expected: &[f64]) -> f64 {
    let rms = |values: &mut dyn Iterator<Item = f64>| {
        (values.map(|x| x * x).sum::<f64>() / found.len() as f64).sqrt()
    };
    let error = rms(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    if error == 0.0 { 0.0 } else { error / rms(&mut expected.iter().copied()) }
}
