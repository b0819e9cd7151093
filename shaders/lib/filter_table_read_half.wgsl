// lib/filter_table_read with 16 bits for each coefficient, in parts of a power of two of the
// channel's own that the features bring along, t being in parts of UNIT.
//
// All are 16-bit floats. The four lowest bits of the fourth coefficient, which nobody would miss,
// are four more of the constant one: a message sums its error over neighbors at like distances.
#import edge
#import stored

// (two quads of the first and the second, two of the third and the fourth)
alias Coefficients = vec4<u32>;

// Å
const UNIT: f32 = 0.0625;

struct Cubic {
    // Without its lowest bits, which are in `more`.
    c0: Stored,
    c1: Real4,
    c2: Real4,
    c3: Real4,
    more: vec2<u32>,
    t: f32,
}

// Of four channels.
fn coefficients(edge: vec2<u32>, q: u32) -> Cubic {
    let at = interval(edge) * 2u * QUADS + q;
    let lower = table[at];
    let higher = table[at + QUADS];
    return Cubic(
        lower.xy,
        loaded(lower.zw),
        loaded(higher.xy),
        loaded(higher.zw),
        higher.zw,
        bitcast<f32>(edge.y) * (1.0 / UNIT),
    );
}

fn constant(c: Cubic) -> vec4<f32> {
    let upper = vec4<f32>(unpack2x16float(c.c0.x), unpack2x16float(c.c0.y));
    let more = vec4<u32>(c.more.x << 9u, c.more.x >> 7u, c.more.y << 9u, c.more.y >> 7u);
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(upper) | (more & vec4<u32>(0x1e00u)));
}

// The way forward takes what rounds the sum to f32: an activation makes more of errors than a
// gradient does.
fn value(c: Cubic) -> vec4<f32> {
    let t = Real4(Real(c.t));
    let w1 = fma(fma(c.c3, t, c.c2), t, c.c1);
    return fma(widened(w1), vec4<f32>(c.t), constant(c));
}

// Value, and slope with respect to t, by one Horner scheme.
struct Jet {
    value: Real4,
    slope: Real4,
}

fn value_and_slope(c: Cubic) -> Jet {
    let t = Real4(Real(c.t));
    let w2 = fma(c.c3, t, c.c2);
    let w1 = fma(w2, t, c.c1);
    return Jet(fma(w1, t, loaded(c.c0)), fma(fma(c.c3, t, w2), t, w1));
}
