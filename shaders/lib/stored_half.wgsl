// lib/stored with f16 in memory and f32 everywhere else: for devices without f16 arithmetic.

alias Stored = vec2<u32>;
alias Real = f32;
alias Real4 = vec4<f32>;

fn loaded(x: Stored) -> Real4 {
    return vec4<f32>(unpack2x16float(x.x), unpack2x16float(x.y));
}

// All four are NaN if one is beyond f16: the result of a conversion would depend on the driver.
fn stored(x: vec4<f32>) -> Stored {
    let words = vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw));
    return select(words, vec2<u32>(0x7e007e00u), any(abs(x) > vec4<f32>(65504.0)));
}

fn widened(x: Real4) -> vec4<f32> {
    return x;
}

fn dot_of(a: Real4, b: Real4) -> f32 {
    return dot(a, b);
}
