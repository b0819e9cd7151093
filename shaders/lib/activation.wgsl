#import math

// tanh x, x / (1 + e^-x), ln(1 + e^x) - ACTIVATION_SHIFT; the host twin is
// `gpu::params::activation`.
const TANH: u32 = 0u;
const SILU: u32 = 1u;
const SHIFTED_SOFTPLUS: u32 = 2u;
const ACTIVATION: u32 = 0u;
const ACTIVATION_SHIFT: f32 = 0.6931472;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp_of(-x));
}

// act(x), act'(x); NaN if x is broken
fn act_and_slope(x: f32) -> vec2<f32> {
    var both: vec2<f32>;
    if ACTIVATION == TANH {
        both = tanh_and_slope(x);
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
