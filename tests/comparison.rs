//! The comparison that the other tests use.

use crate::common::assert_close;

#[test]
fn close_numbers_pass() {
    assert_close("equal", &[1.0, -2.0, 0.0], &[1.0, -2.0, 0.0], 0.0);
    assert_close("within", &[-2.000_01, 0.000_01], &[-2.0, 0.0], 1e-5);
    assert_close("empty", &[], &[], 0.0);
}

#[test]
#[should_panic = "negative[1]: found -2.1e0, expected -2e0"]
fn a_negative_expectation_has_a_positive_tolerance_and_a_limit() {
    assert_close("negative", &[1.0, -2.1, 0.0], &[1.0, -2.0, 0.0], 1e-2);
}

#[test]
#[should_panic = "nan[0]"]
fn nan_is_not_close() {
    assert_close("nan", &[f64::NAN, 5.0], &[1.0, 1.0], 1e9);
}

#[test]
#[should_panic = "nan[1]"]
fn nan_is_not_expected() {
    assert_close("nan", &[1.0, 1.0], &[1.0, f64::NAN], 1e9);
}

#[test]
#[should_panic = "zero[2]"]
fn nothing_but_zero_is_close_to_zeros() {
    assert_close("zero", &[0.0, -0.0, 1e-300], &[0.0; 3], 1.0);
}

#[test]
#[should_panic = "number of values"]
fn lengths_must_agree() {
    assert_close("length", &[1.0], &[1.0, 1.0], 1.0);
}
