// lib/filter_table_read with 16 bits for each coefficient, in parts of a power of two of the
// channel's own that the features bring along, t being in parts of UNIT.
//
// All are 16-bit floats. Of the fourth only the upper byte is its own; the lower one is the upper
// byte of what the first coefficient leaves: a message sums that over neighbors at like distances.
#import stored

// (two quads of the first and the second, two of the third and the fourth)
alias Coefficients = vec4<u32>;

struct Cubic {
    // Without `rest`.
    c0: Real4,
    c1: Real4,
    c2: Real4,
    c3: Real4,
    rest: Stored,
    t: Real4,
}

// Å
const UNIT: f32 = 0.0625;

// t as edges have it in workgroup memory.
fn t_bits(t: f32) -> u32 {
    return pack2x16float(vec2<f32>(t * (1.0 / UNIT)));
}

// Of four channels, whose first begin here.
fn coefficients(at: u32, t: u32) -> Cubic {
    let lower = table[at];
    let higher = table[at + QUADS];
    return Cubic(
        loaded(lower.xy),
        loaded(lower.zw),
        loaded(higher.xy),
        loaded(higher.zw),
        higher.zw,
        loaded(vec2<u32>(t)),
    );
}

// The way forward takes what rounds the sum to f32: an activation makes more of errors than a
// gradient does.
fn value(c: Cubic) -> vec4<f32> {
    let w1 = fma(fma(c.c3, c.t, c.c2), c.t, c.c1);
    return widened(c.c0) + widened(fma(w1, c.t, loaded(c.rest << vec2<u32>(8u))));
}

// Value, and slope with respect to t, by one Horner scheme.
struct Jet {
    value: Real4,
    slope: Real4,
}

fn value_and_slope(c: Cubic) -> Jet {
    let w2 = fma(c.c3, c.t, c.c2);
    let w1 = fma(w2, c.t, c.c1);
    return Jet(fma(w1, c.t, c.c0), fma(fma(c.c3, c.t, w2), c.t, w1));
}
