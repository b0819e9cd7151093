// Four channels of features or coefficients as they lie in memory, and as they are multiplied: f32.
// lib/stored_half and lib/stored_f16 have the same functions for 16-bit floats.

alias Stored = vec4<f32>;
alias Real = f32;
alias Real4 = vec4<f32>;

fn loaded(x: Stored) -> Real4 {
    return x;
}

fn stored(x: vec4<f32>) -> Stored {
    return x;
}

fn widened(x: Real4) -> vec4<f32> {
    return x;
}

fn dot_of(a: Real4, b: Real4) -> f32 {
    return dot(a, b);
}
