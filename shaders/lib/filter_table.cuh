// Tabulated filters; the host twin is `model::filter_table`. The head of a table holds its
// stretches (start in Å, cells per Å, first and last cell in the head), then its cells (start in Å,
// intervals per Å, first and last interval).
#import vector

constexpr u32 STRETCHES = 1u;

// The interval of a distance, and t, the distance from the middle of the interval, Å.
struct Place {
    u32 interval;
    float t;
};

// The cell of a stretch, or the interval of a cell, that d is in, and the position of d in it from
// 0 to 1.
__device__ inline float2 part_at(float4 whole, float d) {
    const float position = (d - whole.x) * whole.y;
    const float k = fminf(fmaxf(floorf(position), 0.0f), whole.w - whole.z);
    return make_float2(whole.z + k, position - k);
}

// `stretch` is the last stretch that starts at or below d.
__device__ inline Place place(const float4* __restrict__ head, float4 stretch, float d) {
    const float4 cell = head[static_cast<u32>(part_at(stretch, d).x)];
    const float2 part = part_at(cell, d);
    return {static_cast<u32>(part.x), (part.y - 0.5f) / cell.y};
}
