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

fn unless_broken4(y: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(
        unless_broken(y.x, x.x), unless_broken(y.y, x.y),
        unless_broken(y.z, x.z), unless_broken(y.w, x.w),
    );
}

// 1 / (1 + e^x)
fn tail_near(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(min(x, vec4<f32>(80.0))));
}

// act(x); NaN if x is broken
fn act_near(x: vec4<f32>) -> vec4<f32> {
    var value: vec4<f32>;
    if ACTIVATION == TANH {
        value = 1.0 - 2.0 * tail_near(2.0 * x);
    } else if ACTIVATION == SILU {
        value = max(x, vec4<f32>(-80.0)) * tail_near(-x);
    } else if ACTIVATION == IDENTITY {
        value = x;
    } else if ACTIVATION == SIGMOID {
        value = tail_near(-x);
    } else if ACTIVATION == MISH {
        let t = exp(-abs(x));
        value = vec4<f32>(
            mish_of(x.x, t.x).x, mish_of(x.y, t.y).x, mish_of(x.z, t.z).x, mish_of(x.w, t.w).x,
        );
    } else {
        value = max(x, vec4<f32>(0.0)) + log(1.0 + exp(-abs(x))) - ACTIVATION_SHIFT;
    }
    return unless_broken4(value, x);
}

// act'(x); NaN if x is broken
fn act_slope_near(x: vec4<f32>) -> vec4<f32> {
    var slope: vec4<f32>;
    if ACTIVATION == TANH {
        let tail = tail_near(2.0 * abs(x));
        slope = 4.0 * tail * (1.0 - tail);
    } else if ACTIVATION == IDENTITY {
        slope = vec4<f32>(1.0);
    } else if ACTIVATION == SIGMOID {
        let tail = tail_near(abs(x));
        slope = tail * (1.0 - tail);
    } else if ACTIVATION == MISH {
        let t = exp(-abs(x));
        slope = vec4<f32>(
            mish_of(x.x, t.x).y, mish_of(x.y, t.y).y, mish_of(x.z, t.z).y, mish_of(x.w, t.w).y,
        );
    } else {
        slope = tail_near(-x);
        if ACTIVATION == SILU {
            slope *= 1.0 + max(x, vec4<f32>(-80.0)) * (1.0 - slope);
        }
    }
    return unless_broken4(slope, x);
}
