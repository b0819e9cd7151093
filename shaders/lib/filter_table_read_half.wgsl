// lib/filter_table_read with four 16-bit floats for each channel, in parts of a power of two of the
// channel's own that the features bring along.
#import edge
#import stored

alias Coefficients = Stored;

struct Cubic {
    c0: Real4,
    c1: Real4,
    c2: Real4,
    c3: Real4,
    t: Real4,
}

// Of four channels.
fn coefficients(edge: vec2<u32>, q: u32) -> Cubic {
    let at = interval(edge) * 4u * QUADS + q;
    return Cubic(
        loaded(table[at]),
        loaded(table[at + QUADS]),
        loaded(table[at + 2u * QUADS]),
        loaded(table[at + 3u * QUADS]),
        Real4(Real(bitcast<f32>(edge.y))),
    );
}

fn value(c: Cubic) -> Real4 {
    return fma(fma(fma(c.c3, c.t, c.c2), c.t, c.c1), c.t, c.c0);
}

// Value and slope with respect to d, by one Horner scheme.
struct Jet {
    value: Real4,
    slope: Real4,
}

fn value_and_slope(c: Cubic) -> Jet {
    let w2 = fma(c.c3, c.t, c.c2);
    let w1 = fma(w2, c.t, c.c1);
    return Jet(fma(w1, c.t, c.c0), fma(fma(c.c3, c.t, w2), c.t, w1));
}
