// lib/filter_table_read with f16 coefficients. The unit of t is such that |t| is at most 1. The
// coefficients of a channel are divided by a power of two, and the features of the channel are
// multiplied by it.
//
// The lower byte of c3 is replaced by the upper byte of `rest`, an f16 that corrects the rounding
// of c0. A message would otherwise sum that error over neighbors at similar distances.
#import stored

// Words x and y of the first element hold c0 of four channels, z and w hold c1; the second element
// holds c2 and c3 in the same way.
alias Coefficients = vec4<u32>;

struct Cubic {
    // c0 without `rest`.
    c0: Real4,
    c1: Real4,
    c2: Real4,
    c3: Real4,
    rest: Stored,
    t: Real4,
}

// t in the format of edges in workgroup memory.
fn t_bits(t: f32) -> u32 {
    return pack2x16float(vec2<f32>(t));
}

// Coefficients of the four channels at `at`.
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

// The forward pass adds `rest` and sums in f32: the activations that follow amplify errors of
// messages more than the backward pass amplifies errors of gradients.
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
