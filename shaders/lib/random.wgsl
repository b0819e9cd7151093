#import math

// Philox4x32-10 (Salmon et al. 2011); the host twin is `random::philox`.

// High and low word of a b, from 16-bit halves.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let middle2 = a_low * b_high + (middle & 0xffffu);
    return vec2<u32>(a_high * b_high + (middle >> 16u) + (middle2 >> 16u), a * b);
}

fn philox(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32> {
    var counter = start;
    var key = start_key;
    for (var round = 0u; round < 10u; round++) {
        let product0 = multiply_wide(counter.x, 0xd2511f53u);
        let product1 = multiply_wide(counter.z, 0xcd9e8d57u);
        counter = vec4<u32>(
            product1.x ^ counter.y ^ key.x,
            product1.y,
            product0.x ^ counter.w ^ key.y,
            product0.y,
        );
        key = key + vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

// (bits + 1/2) / 2^24, in (0, 1), for bits < 2^24.
fn uniform_of(bits: u32) -> f32 {
    return (f32(bits) + 0.5) / 16777216.0;
}

// sqrt(-2 ln u) for u = uniform_of(bits). For u near 1 the logarithm is computed from 1 - u, which
// has the digits that u lacks.
fn radius_of(bits: u32) -> f32 {
    if bits > 0xc00000u {
        return sqrt(-2.0 * log1p_of(-uniform_of(0xffffffu - bits)));
    }
    return sqrt(-2.0 * log_of(uniform_of(bits)));
}

// Three standard normal numbers (Box and Muller); the host twin is `random::normal3`.
fn normal3(counter: vec4<u32>, key: vec2<u32>) -> vec3<f32> {
    let bits = philox(counter, key) >> vec4<u32>(8u);
    let first = radius_of(bits.x);
    let second = radius_of(bits.z);
    // cos_sin_pi takes half turns: 2 pi u = pi 2u.
    let a = cos_sin_pi(2.0 * uniform_of(bits.y));
    let b = cos_sin_pi(2.0 * uniform_of(bits.w));
    return vec3<f32>(first * a.x, first * a.y, second * b.x);
}
