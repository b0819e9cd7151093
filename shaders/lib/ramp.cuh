// Numbers that change with the step, on straight lines between points; the host twin is `crate::ramp`.
// Points: step, low and high word; bits of the number; -.

__device__ inline bool is_at_least(uint2 a, uint2 b) {
    return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

// a - b for a >= b.
__device__ inline float difference(uint2 a, uint2 b) {
    const u32 high = a.y - b.y - (a.x < b.x ? 1u : 0u);
    return fmaf(float(high), 4294967296.0f, float(a.x - b.x));
}

// The number at a step on the line of `count` points.
__device__ inline float ramp_at(const uint4* point, u32 count, uint2 step) {
    // The last point that is reached, or the first one, by bisection.
    u32 k = 0u;
    for (u32 end = count; end - k > 1u;) {
        const u32 middle = (k + end) / 2u;
        if (is_at_least(step, make_uint2(point[middle].x, point[middle].y))) {
            k = middle;
        } else {
            end = middle;
        }
    }
    const uint2 last = make_uint2(point[k].x, point[k].y);
    const float start = float_of_bits(point[k].z);
    if (!is_at_least(step, last) || k + 1u >= count) {
        return start;
    }
    const uint4 next = point[k + 1u];
    const float part = difference(step, last) / difference(make_uint2(next.x, next.y), last);
    return fmaf(float_of_bits(next.z) - start, part, start);
}
