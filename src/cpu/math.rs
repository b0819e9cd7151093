//! exp, tanh and logarithm without branches or tables, so that the compiler can vectorize loops
//! over them.
//!
//! `FMA` selects fused multiply-adds. On processors without them, they would be slow function
//! calls.

/// a b + c.
#[inline(always)]
pub(super) fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Horner's scheme, highest power first.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = fused::<FMA>(sum, x, *coefficient);
    }
    sum
}

/// e^x to 1e-7 relative between −87 and 88; 0 below −87.7, infinite above 88.4, NaN for NaN. At the
/// bounds of n the bits of the power of two are those of 0 and of infinity.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5·2²³. Adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let inside = x.clamp(-88.0, 89.0);
    let shifted = fused::<FMA>(inside, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fused::<FMA>(n, -LN_2_LOW, fused::<FMA>(n, -LN_2_HIGH, inside));
    // Cephes' polynomial for |r| ≤ ln 2 / 2.
    let tail = polynomial::<FMA, 6>(
        r,
        [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let mantissa = fused::<FMA>(tail * r, r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    mantissa * power
}

/// tanh x to 1e-7 absolute, and its slope to 1e-6 relative, which 1 − tanh² does not reach where
/// tanh is about 1.
#[inline(always)]
fn tanh_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    let t = exp::<FMA>(-2.0 * x.abs());
    let size = (1.0 - t) / (1.0 + t);
    // 1 + |tanh x| = 2 / (1 + t), and the slope is 4 t / (1 + t)².
    let twice = 1.0 + size;
    (size.copysign(x), t * twice * twice)
}

/// ln(1 + u) for 0 ≤ u ≤ 1: 2 artanh(w), w = u/(2 + u) ≤ 1/3, by its series.
#[inline(always)]
fn ln_1p<const FMA: bool>(u: f32) -> f32 {
    let w = u / (2.0 + u);
    let series = polynomial::<FMA, 8>(
        w * w,
        [1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0],
    );
    2.0 * w * series
}

/// An activation as a type, so that loops that apply it contain no branch.
pub(super) trait Activate: Copy {
    /// act(x) and act'(x) of a finite x; NaN for NaN.
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32);

    /// act(x) and act'(x); NaN if x is NaN or infinite. The sign of a sum that left the range of f32
    /// is unknown, so that no function of it is right.
    #[inline(always)]
    fn value_and_slope<const FMA: bool>(self, x: f32) -> (f32, f32) {
        // 0 x is 0, or NaN if x is infinite.
        self.formula::<FMA>(fused::<FMA>(0.0, x, x))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Tanh;

#[derive(Clone, Copy)]
pub(super) struct Silu;

#[derive(Clone, Copy)]
pub(super) struct ShiftedSoftplus(pub f32);

#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

#[derive(Clone, Copy)]
pub(super) struct Mish;

#[derive(Clone, Copy)]
pub(super) struct Identity;

impl Activate for Tanh {
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        tanh_and_slope::<FMA>(x)
    }
}

/// 1/(1 + e^−x).
#[inline(always)]
fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

impl Activate for Silu {
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        let s = sigmoid::<FMA>(x);
        (x * s, s * fused::<FMA>(x, 1.0 - s, 1.0))
    }
}

impl Activate for ShiftedSoftplus {
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        let positive = if x < 0.0 { 0.0 } else { x };
        let value = positive + ln_1p::<FMA>(exp::<FMA>(-x.abs())) - self.0;
        (value, sigmoid::<FMA>(x))
    }
}

impl Activate for Sigmoid {
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        let t = exp::<FMA>(-x.abs());
        let s = 1.0 / (1.0 + t);
        (if x < 0.0 { t * s } else { s }, t * s * s)
    }
}

impl Activate for Mish {
    /// See [`crate::model::Activation::value_and_slope`].
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        let t = exp::<FMA>(-x.abs());
        let n = if x > 0.0 { 1.0 + 2.0 * t } else { t * (t + 2.0) };
        let d = n + if x > 0.0 { 2.0 * t * t } else { 2.0 };
        let weight = if x > 0.0 { t * t } else { t };
        (x * n / d, n / d + 4.0 * x * weight * (1.0 + t) / (d * d))
    }
}

impl Activate for Identity {
    #[inline(always)]
    fn formula<const FMA: bool>(self, x: f32) -> (f32, f32) {
        (x, if x.is_nan() { x } else { 1.0 })
    }
}

/// Calls `$body` with `$act` bound to the activation's type.
macro_rules! with_activation {
    ($activation:expr, $act:ident => $body:expr) => {
        match $activation {
            $crate::model::schnet::Activation::Tanh => {
                let $act = $crate::cpu::math::Tanh;
                $body
            }
            $crate::model::schnet::Activation::Silu => {
                let $act = $crate::cpu::math::Silu;
                $body
            }
            $crate::model::schnet::Activation::ShiftedSoftplus { shift } => {
                let $act = $crate::cpu::math::ShiftedSoftplus(shift as f32);
                $body
            }
            $crate::model::schnet::Activation::Sigmoid => {
                let $act = $crate::cpu::math::Sigmoid;
                $body
            }
            $crate::model::schnet::Activation::Mish => {
                let $act = $crate::cpu::math::Mish;
                $body
            }
            $crate::model::schnet::Activation::Identity => {
                let $act = $crate::cpu::math::Identity;
                $body
            }
        }
    };
}
pub(super) use with_activation;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schnet::Activation;

    const ACTIVATIONS: [Activation; 6] = [
        Activation::Tanh,
        Activation::Silu,
        Activation::ShiftedSoftplus { shift: std::f64::consts::LN_2 },
        Activation::Sigmoid,
        Activation::Mish,
        Activation::Identity,
    ];

    /// 200,000 arguments over [−bound, bound].
    fn arguments(bound: f32) -> impl Iterator<Item = f32> {
        (0..=200_000).map(move |k| bound * (k as f32 / 100_000.0 - 1.0))
    }

    fn check<const FMA: bool>() {
        for x in arguments(86.0) {
            let expected = f64::from(x).exp();
            let error = (f64::from(exp::<FMA>(x)) - expected).abs() / expected;
            assert!(error < 1.5e-7, "exp {x}: relative error {error:e}");
        }
        for bound in [0.01, 1.0, 12.0, 100.0] {
            for x in arguments(bound) {
                let error =
                    (f64::from(Tanh.value_and_slope::<FMA>(x).0) - f64::from(x).tanh()).abs();
                assert!(error < 1e-7, "tanh {x}: error {error:e}");
                for activation in ACTIVATIONS {
                    let (value, slope) =
                        with_activation!(activation, act => act.value_and_slope::<FMA>(x));
                    let expected = activation.value_and_slope(f64::from(x));
                    let scale = f64::from(x.abs()).max(1.0);
                    let errors = [
                        (f64::from(value) - expected.0).abs() / scale,
                        (f64::from(slope) - expected.1).abs() / scale,
                    ];
                    assert!(errors.iter().all(|e| *e < 3e-7), "{activation:?} {x}: {errors:?}");
                }
            }
        }
    }

    #[test]
    fn functions_agree_with_double_precision() {
        check::<true>();
        check::<false>();
    }

    #[test]
    fn slopes_of_tanh_keep_their_digits() {
        for x in arguments(40.0) {
            let expected = f64::from(x).cosh().powi(-2);
            let error = (f64::from(Tanh.value_and_slope::<true>(x).1) - expected).abs();
            assert!(error < 1e-6 * expected, "{x}: relative error {:e}", error / expected);
        }
    }

    #[test]
    fn ends_of_the_range_are_exact_and_broken_arguments_stay() {
        for x in [-88.0, -1000.0, f32::NEG_INFINITY] {
            assert_eq!(exp::<true>(x), 0.0);
        }
        for x in [89.0, 1000.0, f32::INFINITY] {
            assert_eq!(exp::<true>(x), f32::INFINITY);
        }
        assert!(exp::<true>(f32::NAN).is_nan());
        assert_eq!(Tanh.value_and_slope::<true>(1e30), (1.0, 0.0));
        assert_eq!(Tanh.value_and_slope::<true>(-1e30), (-1.0, 0.0));
        assert_eq!(Silu.value_and_slope::<true>(-1e38), (0.0, 0.0));
        for activation in ACTIVATIONS {
            for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let both = with_activation!(activation, act => {
                    [act.value_and_slope::<true>(x), act.value_and_slope::<false>(x)]
                });
                for (value, slope) in both {
                    assert!(value.is_nan() && slope.is_nan(), "{activation:?} {x}");
                }
            }
        }
    }
}
