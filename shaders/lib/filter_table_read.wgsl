// Filters of an edge from the table of a block: W = c0 + c1 t + c2 t^2 + c3 t^3, with t the
// distance from the middle of the interval in Å. Each interval has a row of c0, a row of c1, and a
// row in which c2 and c3 share a word. c2 and c3 are floats of 14 and of 8 significant bits, each
// with five bits of exponent, in units of `params.higher`; shifts turn them into f32.
#import stored

alias Coefficients = vec4<u32>;

struct Cubic {
    c0: vec4<f32>,
    c1: vec4<f32>,
    // In units of `params.higher`.
    c2: vec4<f32>,
    c3: vec4<f32>,
    t: f32,
}

// t in the format of edges in workgroup memory.
fn t_bits(t: f32) -> u32 {
    return bitcast<u32>(t);
}

// Moves sign, exponent and mantissa of a short float at the top of a word to their places in f32.
fn float_of(word: vec4<u32>, mask: u32) -> vec4<f32> {
    let moved = bitcast<vec4<u32>>(bitcast<vec4<i32>>(word) >> vec4<u32>(3u));
    return bitcast<vec4<f32>>(moved & vec4<u32>(mask));
}

// Coefficients of the four channels at `at`.
fn coefficients(at: u32, t: u32) -> Cubic {
    let both = table[at + 2u * QUADS];
    return Cubic(
        bitcast<vec4<f32>>(table[at]),
        bitcast<vec4<f32>>(table[at + QUADS]),
        float_of(both, 0x8ffffc00u),
        float_of(both << vec4<u32>(19u), 0x8fff0000u),
        bitcast<f32>(t),
    );
}

fn value(c: Cubic) -> vec4<f32> {
    let t = vec4<f32>(c.t);
    return fma(fma(fma(c.c3, t, c.c2), params.higher * t, c.c1), t, c.c0);
}

// Value and slope with respect to d, by one Horner scheme.
struct Jet {
    value: vec4<f32>,
    slope: vec4<f32>,
}

fn value_and_slope(c: Cubic) -> Jet {
    let t = vec4<f32>(c.t);
    let w2 = fma(c.c3, t, c.c2);
    let w1 = fma(w2, params.higher * t, c.c1);
    let slope = fma(fma(c.c3, t, w2), params.higher * t, w1);
    return Jet(fma(w1, t, c.c0), slope);
}
