// Numbers that change with the step, on straight lines between points; the host twin is `crate::ramp`.
// A kernel that imports this file binds the points as `ramp`: step, low and high word; bits of the
// number; -.

fn is_at_least(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

// a - b for a >= b.
fn difference(a: vec2<u32>, b: vec2<u32>) -> f32 {
    let high = a.y - b.y - u32(a.x < b.x);
    return fma(f32(high), 4294967296.0, f32(a.x - b.x));
}

// The number at a step on the line of `count` points from `first`.
fn ramp_at(first: u32, count: u32, step: vec2<u32>) -> f32 {
    // The last point that is reached, or the first one, by bisection.
    var k = 0u;
    for (var end = count; end - k > 1u;) {
        let middle = (k + end) / 2u;
        if is_at_least(step, ramp[first + middle].xy) {
            k = middle;
        } else {
            end = middle;
        }
    }
    let last = ramp[first + k];
    let start = bitcast<f32>(last.z);
    if !is_at_least(step, last.xy) || k + 1u >= count {
        return start;
    }
    let next = ramp[first + k + 1u];
    let part = difference(step, last.xy) / difference(next.xy, last.xy);
    return fma(bitcast<f32>(next.z) - start, part, start);
}
