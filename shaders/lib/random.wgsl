#import math

// Philox4x32-10 (Salmon et al. 2011); the host twin is `random::philox`.

// High and low words of a b, from 16-bit halves.
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

// Three standard normal numbers; the host twin is `random::normal3`.
fn normal3(counter: vec4<u32>, key: vec2<u32>) -> vec3<f32> {
    let u = (vec4<f32>(philox(counter, key) >> vec4<u32>(8u)) + 0.5) / 16777216.0;
    let first = sqrt(-2.0 * log_of(u.x));
    let second = sqrt(-2.0 * log_of(u.z));
    // cos(2 pi u) at 2u half turns.
    let a = cos_sin_pi(2.0 * u.y);
    let b = cos_sin_pi(2.0 * u.w);
    return vec3<f32>(first * a.x, first * a.y, second * b.x);
}
