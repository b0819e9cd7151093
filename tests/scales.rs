//! Weights whose sizes leave the formats in which backends store them. A force that is wrong by a
//! percent without a word is the worst result: it must be right, or there must be an error.

use flashschnet::engine::{Engine, Terms};
use flashschnet::error::Error;
use flashschnet::model::{Activation, Linear, SchNet};

use crate::common::{Backend, ENGINE, chains_with, small_schnet, truth};

on_every_backend!(
    @ wgpu_emulated:
    networks_of_any_scale_are_right_or_refused
);
on_every_backend!(networks_of_any_scale_are_right_or_refused);
on_mixed_backends!(networks_of_any_scale_are_right_or_refused_in_16_bits);

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

fn networks_of_any_scale_are_right_or_refused(backend: &Backend) {
    check(backend, ENGINE);
}

/// Twice the largest error found, 2.1e-3 of the rms of the forces: this network has random weights,
/// and filters whose hidden channels are 300 lose digits in f16. The bound of mixed precision, 1e-3,
/// is for trained networks.
fn networks_of_any_scale_are_right_or_refused_in_16_bits(backend: &Backend) {
    check(backend, 4e-3);
}

fn check(backend: &Backend, tolerance: f64) {
    let mut wrong = Vec::new();
    let mut right = 0;
    for (name, schnet) in networks() {
        let (system, state) = chains_with(schnet, 12, 1);
        let mut expected = truth(system.clone());
        expected.set_state(&state).unwrap();
        let expected = expected.evaluate(Terms::Network).unwrap().forces;
        let dynamics = flashschnet::engine::Dynamics::none(&system);
        let found = (backend.engine)(system, &dynamics).and_then(|mut engine| {
            engine.set_state(&state)?;
            engine.evaluate(Terms::Network)
        });
        let rms = |forces: &[[f64; 3]]| {
            let squares: f64 = forces.as_flattened().iter().map(|f| f * f).sum();
            (squares / (3 * forces.len()) as f64).sqrt()
        };
        match found {
            Err(Error::Unsupported { .. } | Error::Invalid { .. } | Error::BlowUp { .. }) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(found) => {
                let difference: Vec<[f64; 3]> = (found.forces.iter().zip(&expected))
                    .map(|(a, b)| [a[0] - b[0], a[1] - b[1], a[2] - b[2]])
                    .collect();
                let (error, scale) = (rms(&difference), rms(&expected));
                match error <= tolerance * scale {
                    true => right += 1,
                    false => wrong.push(format!("{name}: {error:e} of {scale:e}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right >= 8, "only {right} networks were accepted");
}
