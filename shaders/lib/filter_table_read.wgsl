// Filters of an edge from the table of a block: four rows of coefficients of powers of t in Å.

#import edge

struct Cubic {
    c0: vec4<f32>,
    c1: vec4<f32>,
    c2: vec4<f32>,
    c3: vec4<f32>,
    t: vec4<f32>,
}

// Of four channels.
fn coefficients(edge: vec2<u32>, q: u32) -> Cubic {
    let at = interval(edge) * 4u * QUADS + q;
    return Cubic(
        table[at],
        table[at + QUADS],
        table[at + 2u * QUADS],
        table[at + 3u * QUADS],
        vec4<f32>(bitcast<f32>(edge.y)),
    );
}

fn value(c: Cubic) -> vec4<f32> {
    return fma(fma(fma(c.c3, c.t, c.c2), c.t, c.c1), c.t, c.c0);
}

// Value and slope with respect to d, by one Horner scheme.
struct Jet {
    value: vec4<f32>,
    slope: vec4<f32>,
}

fn value_and_slope(c: Cubic) -> Jet {
    let w2 = fma(c.c3, c.t, c.c2);
    let w1 = fma(w2, c.t, c.c1);
    let slope = fma(fma(c.c3, c.t, w2), c.t, w1);
    return Jet(fma(w1, c.t, c.c0), slope);
}
