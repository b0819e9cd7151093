#import math

// tanh x, x / (1 + e^-x), ln(1 + e^x) - ACTIVATION_SHIFT, 1 / (1 + e^-x), x tanh(ln(1 + e^x)),
// x; the host twin is `gpu::params::activation`.
const TANH: u32 = 0u;
const SILU: u32 = 1u;
const SHIFTED_SOFTPLUS: u32 = 2u;
const SIGMOID: u32 = 3u;
const MISH: u32 = 4u;
const IDENTITY: u32 = 5u;
const ACTIVATION: u32 = 0u;
const ACTIVATION_SHIFT: f32 = 0.6931472;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp_of(-x));
}

// 1 / (1 + e^-x) and its slope, from t = e^-|x|
fn sigmoid_of(x: f32, t: f32) -> vec2<f32> {
    let s = 1.0 / (1.0 + t);
    return vec2<f32>(select(s, t * s, x < 0.0), t * s * s);
}

// x tanh(ln(1 + e^x)) and its slope, from t = e^-|x|. With u = e^x the tanh is n / d, where
// n = u (u + 2) and d = n + 2; for x > 0 both are divided by u^2.
fn mish_of(x: f32, t: f32) -> vec2<f32> {
    let n = select(t * (t + 2.0), 1.0 + 2.0 * t, x > 0.0);
    let d = n + select(2.0, 2.0 * t * t, x > 0.0);
    let weight = select(t, t * t, x > 0.0);
    return vec2<f32>(x * n / d, n / d + 4.0 * x * weight * (1.0 + t) / (d * d));
}

// act(x), act'(x); NaN if x is broken
fn act_and_slope(x: f32) -> vec2<f32> {
    var both: vec2<f32>;
    if ACTIVATION == TANH {
        both = tanh_and_slope(x);
    } else if ACTIVATION == IDENTITY {
        both = vec2<f32>(x, 1.0);
    } else if ACTIVATION == SIGMOID {
        both = sigmoid_of(x, exp_of(-abs(x)));
    } else if ACTIVATION == MISH {
        both = mish_of(x, exp_of(-abs(x)));
    } else {
        let s = sigmoid(x);
        if ACTIVATION == SILU {
            both = vec2<f32>(x * s, s * fma(x, 1.0 - s, 1.0));
        } else {
            both = vec2<f32>(max(x, 0.0) + log1p_of(exp_of(-abs(x))) - ACTIVATION_SHIFT, s);
        }
    }
    return vec2<f32>(unless_broken(both.x, x), unless_broken(both.y, x));
}

fn act(x: f32) -> f32 {
    return act_and_slope(x).x;
}

fn act4(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(act(x.x), act(x.y), act(x.z), act(x.w));
}

fn act_slope4(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(
        act_and_slope(x.x).y, act_and_slope(x.y).y, act_and_slope(x.z).y, act_and_slope(x.w).y,
    );
}
