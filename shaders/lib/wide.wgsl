#import random

// Whole numbers of 64 bits as (low word, high word), without a sign.

fn below(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + u32(low < a.x));
}

fn minus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

// |a - b|
fn apart(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    if below(a, b) {
        return minus(b, a);
    }
    return minus(a, b);
}

// a 2^n for n < 64
fn shift_left(a: vec2<u32>, n: u32) -> vec2<u32> {
    if n == 0u {
        return a;
    }
    if n < 32u {
        return vec2<u32>(a.x << n, (a.y << n) | (a.x >> (32u - n)));
    }
    return vec2<u32>(0u, a.x << (n - 32u));
}

// Numbers of 128 bits have four words, the lowest first.

fn long_below(a: vec4<u32>, b: vec4<u32>) -> bool {
    return below(a.zw, b.zw) || (all(a.zw == b.zw) && below(a.xy, b.xy));
}

fn long_plus(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let low = plus(a.xy, b.xy);
    return vec4<u32>(low, plus(plus(a.zw, b.zw), vec2<u32>(u32(below(low, a.xy)), 0u)));
}

fn long_minus(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let high = minus(minus(a.zw, b.zw), vec2<u32>(u32(below(a.xy, b.xy)), 0u));
    return vec4<u32>(minus(a.xy, b.xy), high);
}

// a b in four words, the lowest first.
fn product(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    // multiply_wide gives the high word first.
    let low = multiply_wide(a.x, b.x);
    let cross = multiply_wide(a.x, b.y);
    let other = multiply_wide(a.y, b.x);
    let high = multiply_wide(a.y, b.y);
    let one = plus(vec2<u32>(low.x, 0u), vec2<u32>(cross.y, 0u));
    let second = plus(one, vec2<u32>(other.y, 0u));
    let two = plus(vec2<u32>(cross.x, 0u), vec2<u32>(other.x, 0u));
    let third = plus(plus(two, vec2<u32>(high.y, 0u)), vec2<u32>(second.y, 0u));
    return vec4<u32>(low.y, second.x, third.x, high.x + third.y);
}
