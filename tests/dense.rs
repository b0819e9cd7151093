//! `dense`: every mode at odd sizes.

use flashschnet::ops::{Dense, Ops};
use flashschnet::reference::ReferenceOps;

use crate::common::{ACTIVATIONS, Backend, assert_close, linear, numbers};

// One kernel in f32, whatever the filters of the backend.
without_network!(matches_the_reference);

fn matches_the_reference(backend: &Backend) {
    for (n_rows, n_in, n_out) in [(1, 1, 1), (67, 96, 24), (130, 24, 17), (5, 300, 2), (33, 7, 1)] {
        // The activation and the bias of an output do not depend on the sizes.
        let is_whole = n_rows == 67;
        for bias in if is_whole { vec![false, true] } else { vec![n_rows % 2 == 0] } {
            let layer = linear(1, n_in, n_out, bias);
            let (x, u) = (numbers(2, n_rows * n_in, 2.0), numbers(3, n_rows * n_out, 2.0));
            let mut cases =
                vec![(Dense::Linear, &x), (Dense::Transposed, &u), (Dense::TransposedAdd(&x), &u)];
            let of_size = if is_whole && bias { &ACTIVATIONS[..] } else { &ACTIVATIONS[..1] };
            for activation in of_size.iter().copied() {
                cases.push((Dense::Activate(activation), &x));
                cases.push((Dense::TransposedSlope(activation, &x), &u));
            }
            cases.push((Dense::ActivateAdd(ACTIVATIONS[1], &u), &x));
            for (mode, input) in cases {
                let expected = ReferenceOps.dense(&layer, mode, input).unwrap();
                let found = backend.ops.dense(&layer, mode, input).unwrap();
                let name = format!("{mode:?}");
                let name = name.split(", [").next().unwrap_or_default();
                let what = format!("{name} {n_rows} x {n_in} -> {n_out}, bias {bias}");
                assert_close(&what, &found, &expected, 1e-5);
            }
        }
    }
}
