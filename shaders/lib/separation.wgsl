// Positions, and the only place where separation vectors are computed.
//
// A position is the sum of two f32 numbers, high and low: a single f32 would lose digits at every
// step and far from the origin. Both are multiples of 2^-32 Å, so their sum is exact in the host's
// f64. The host twin is `gpu::params::Position`.
struct Position {
    // xyz: the f32 nearest to the position, Å; w: class of the bead in the rule of its molecule
    high: vec4<f32>,
    // xyz: the rest, Å; w: 0, or 1 for a bead that did not move, from integrate_begin to
    // neighbor_check
    low: vec4<f32>,
}

// a - b, Å. The difference of the high numbers is rounded at most once, so its error is relative to
// the difference, not to the coordinates.
fn separation(a: Position, b: Position) -> vec3<f32> {
    return (a.high.xyz - b.high.xyz) + (a.low.xyz - b.low.xyz);
}

// dot(a, a) with fixed operations. Kernels that must agree on which pairs are near then do not
// depend on how the compiler contracts.
fn square_of(a: vec3<f32>) -> f32 {
    return fma(a.z, a.z, fma(a.y, a.y, a.x * a.x));
}

// x, combined with a zero that the compiler does not know. Some compilers would otherwise replace
// (a + b) - a by b, and lose the rounding error that exact_sum is to find.
fn opaque(x: vec3<f32>, zero: f32) -> vec3<f32> {
    return bitcast<vec3<f32>>(bitcast<vec3<u32>>(x) ^ vec3<u32>(bitcast<u32>(zero)));
}

// a + b as the nearest f32 and its rounding error (Dekker 1971). Each line has one operation, so
// the compiler cannot contract any. `opaque` keeps it from canceling them.
fn exact_sum(a: vec3<f32>, b: vec3<f32>, zero: f32) -> Position {
    let swap = abs(b) > abs(a);
    let large = select(a, b, swap);
    let small = select(b, a, swap);
    let high = opaque(large + small, zero);
    let taken = opaque(high - large, zero);
    return Position(vec4<f32>(high, 0.0), vec4<f32>(small - taken, 0.0));
}
