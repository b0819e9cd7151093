// Tabulated filters; the host twin is `model::filter_table`. A table's head has its stretches
// (start in Å, cells per Å, first and last cell in the head), then its cells (start in Å, intervals
// per Å, first and last interval).
#import vector

constexpr u32 STRETCHES = 1u;
// Beads are neighbors below this distance, Å.
constexpr float RADIUS = 15.0f;

// Interval of a distance, and how far it is from its middle, Å.
struct Place {
    u32 interval;
    float t;
};

// The part of a stretch or cell that d lies in, and how far d reaches into it in parts.
__device__ inline float2 part_at(float4 whole, float d) {
    const float position = (d - whole.x) * whole.y;
    const float k = fminf(fmaxf(floorf(position), 0.0f), whole.w - whole.z);
    return make_float2(whole.z + k, position - k);
}

// `stretch` is the last whose start is not beyond d.
__device__ inline Place place(const float4* __restrict__ head, float4 stretch, float d) {
    const float4 cell = head[static_cast<u32>(part_at(stretch, d).x)];
    const float2 part = part_at(cell, d);
    return {static_cast<u32>(part.x), (part.y - 0.5f) / cell.y};
}
