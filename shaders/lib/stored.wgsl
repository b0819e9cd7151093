// Four channels of features or coefficients, in the formats of memory and of products: f32.
// lib/stored_half and lib/stored_f16 have the same functions for f16.

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
