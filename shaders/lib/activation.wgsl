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

fn act(x: f32) -> f32 {
    if ACTIVATION == TANH {
        return tanh_of(x);
    } else if ACTIVATION == SILU {
        return x * sigmoid(x);
    }
    return max(x, 0.0) + log1p_of(exp_of(-abs(x))) - ACTIVATION_SHIFT;
}

// act(x), act'(x)
fn act_and_slope(x: f32) -> vec2<f32> {
    if ACTIVATION == TANH {
        let t = tanh_of(x);
        return vec2<f32>(t, fma(-t, t, 1.0));
    }
    let s = sigmoid(x);
    if ACTIVATION == SILU {
        return vec2<f32>(x * s, s * fma(x, 1.0 - s, 1.0));
    }
    return vec2<f32>(act(x), s);
}

fn act4(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(act(x.x), act(x.y), act(x.z), act(x.w));
}

fn act_slope4(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(
        act_and_slope(x.x).y, act_and_slope(x.y).y, act_and_slope(x.z).y, act_and_slope(x.w).y,
    );
}
