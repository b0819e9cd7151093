// The functions of lib/radial and lib/activation, with built-in exp and log: precise enough for
// results that are rounded to f16.
#import radial
#import activation

// B_k(d) of four functions, from C and t.
fn radial_near(
    envelope: f32,
    coordinate: f32,
    center: vec4<f32>,
    sharpness: vec4<f32>,
) -> vec4<f32> {
    let offset = vec4<f32>(coordinate) - center;
    return envelope * exp(-sharpness * offset * offset);
}

// B_k'(d) of four functions, from (C, C') and (t, t').
fn radial_slope_near(
    envelope: vec2<f32>,
    coordinate: vec2<f32>,
    center: vec4<f32>,
    sharpness: vec4<f32>,
) -> vec4<f32> {
    let offset = vec4<f32>(coordinate.x) - center;
    let steepness = envelope.x * 2.0 * coordinate.y * sharpness * offset;
    return (vec4<f32>(envelope.y) - steepness) * exp(-sharpness * offset * offset);
}

fn sigmoid_near(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-max(x, vec4<f32>(-80.0))));
}

fn act_near(x: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == TANH {
        return 1.0 - 2.0 / (1.0 + exp(min(2.0 * x, vec4<f32>(80.0))));
    } else if ACTIVATION == SILU {
        return x * sigmoid_near(x);
    }
    return max(x, vec4<f32>(0.0)) + log(1.0 + exp(-abs(x))) - ACTIVATION_SHIFT;
}

// act'(x)
fn act_slope_near(x: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == TANH {
        let t = act_near(x);
        return 1.0 - t * t;
    }
    let s = sigmoid_near(x);
    if ACTIVATION == SILU {
        return s * (1.0 + x * (1.0 - s));
    }
    return s;
}
