// The potential of hills on a grid: places on it, and its value and gradient. The host twin is
// `hills::Grid`.
#import math

// The axis of a variable; the host twin is `gpu::params::GridAxis`. Places are distances from the
// first node in bins.
struct GridAxis {
    // The least and the largest value, Å, rad or without unit.
    float lower;
    float upper;
    // Bins per unit of the variable.
    float per_unit;
    // The bin in units of the width of a hill.
    float sharpness;
    u32 bins;
    // bins, and one more unless the axis is periodic.
    u32 nodes;
    u32 periodic;
};

// A grid; the host twin is `gpu::params::GridPotential`. The second axis of a grid over one
// variable has one node and one bin, and the value on it is 0.
struct GridPotential {
    GridAxis x;
    GridAxis y;
    // The place of the first node in `hill_node`.
    u32 first;
    // Height of a hill where the potential is 0, kcal/mol.
    float height;
    // 1 / (k_B (gamma - 1) T), mol/kcal
    float rate;
};

// V, s_x dV/dx, s_y dV/dy and s_x s_y d2V/dxdy, kcal/mol, with the spacing s of the nodes. Each is
// the sum of two f32, both multiples of 2^-32, so hills of a long run are not lost.
struct GridNode {
    float4 high;
    float4 low;
};

// The nodes around a place on an axis, and the distance from the first of them in bins.
struct GridCell {
    u32 first;
    u32 second;
    float t;
};

// Whether a value is on an axis. Any number is on a periodic axis.
__device__ inline bool is_on_axis(const GridAxis& axis, float q) {
    return !is_broken(q) && (axis.periodic == 1u || (q >= axis.lower && q <= axis.upper));
}

// The place of a value that is on the axis.
__device__ inline float place_on(const GridAxis& axis, float q) {
    const float bins = float(axis.bins);
    const float place = (q - axis.lower) * axis.per_unit;
    if (axis.periodic == 0u) {
        return fminf(fmaxf(place, 0.0f), bins);
    }
    const float within = place - bins * floorf(place / bins);
    return within >= 0.0f && within < bins ? within : 0.0f;
}

__device__ inline GridCell cell_at(const GridAxis& axis, float place) {
    const u32 first = min(u32(place), axis.bins - 1u);
    const u32 second = first + 1u >= axis.nodes ? 0u : first + 1u;
    return {first, second, place - float(first)};
}

__device__ inline float2 image_of(float sharpness, float from_hill) {
    const float z = sharpness * from_hill;
    const float value = exp_of(-0.5f * z * z);
    return make_float2(value, -sharpness * z * value);
}

// A hill of height 1 and its derivative by the place of the node, for a node `from_hill` bins above
// the place of the hill. On a periodic axis it is the sum of the nearest image and its neighbors.
__device__ inline float2 hill_of(const GridAxis& axis, float from_hill) {
    if (axis.periodic == 0u) {
        return image_of(axis.sharpness, from_hill);
    }
    const float bins = float(axis.bins);
    const float nearest = from_hill - bins * rintf(from_hill / bins);
    const float2 a = image_of(axis.sharpness, nearest - bins);
    const float2 b = image_of(axis.sharpness, nearest);
    const float2 c = image_of(axis.sharpness, nearest + bins);
    return make_float2(a.x + b.x + c.x, a.y + b.y + c.y);
}

// The cubic polynomials on [0, 1] with value 1 at 0, slope 1 at 0, value 1 at 1, and slope 1 at 1.
__device__ inline float4 hermite(float t) {
    const float u = 1.0f - t;
    const float rise = t * t * (3.0f - 2.0f * t);
    return make_float4(1.0f - rise, t * u * u, rise, -t * t * u);
}

// Their derivatives.
__device__ inline float4 hermite_slope(float t) {
    const float u = 1.0f - t;
    const float slope = 6.0f * t * u;
    return make_float4(-slope, u * (1.0f - 3.0f * t), slope, t * (3.0f * t - 2.0f));
}

// The numbers of a node with V relative to that of another node, which leaves the digits of V to
// the gradient.
__device__ inline float4 relative_to(const GridNode& base, const GridNode& node) {
    const float rise = (node.high.x - base.high.x) + (node.low.x - base.low.x);
    return make_float4(rise, node.high.y, node.high.z, node.high.w);
}

// V at a place, kcal/mol, and its gradient in kcal/mol per unit of each variable.
__device__ inline float3 potential_at(
    const GridPotential& grid, const GridNode* hill_node, float2 place) {
    const GridCell x = cell_at(grid.x, place.x);
    const GridCell y = cell_at(grid.y, place.y);
    const GridNode base = hill_node[grid.first + y.first * grid.x.nodes + x.first];
    const float4 of_x = hermite(x.t);
    const float4 by_x = hermite_slope(x.t);
    // For the rows y.first and y.second: V, s_y dV/dy, and the derivatives of both by x.
    float4 row[2];
    for (u32 k = 0u; k < 2u; k++) {
        const u32 first = (k == 1u ? y.second : y.first) * grid.x.nodes;
        const GridNode* start = hill_node + grid.first + first;
        const float4 a = relative_to(base, start[x.first]);
        const float4 b = relative_to(base, start[x.second]);
        const float4 v = make_float4(a.x, a.y, b.x, b.y);
        const float4 slope = make_float4(a.z, a.w, b.z, b.w);
        row[k] = make_float4(dot(of_x, v), dot(of_x, slope), dot(by_x, v), dot(by_x, slope));
    }
    const float4 of_y = hermite(y.t);
    const float4 v = make_float4(row[0].x, row[0].y, row[1].x, row[1].y);
    const float4 by_x_of_v = make_float4(row[0].z, row[0].w, row[1].z, row[1].w);
    return make_float3(
        base.high.x + dot(of_y, v),
        dot(of_y, by_x_of_v) * grid.x.per_unit,
        dot(hermite_slope(y.t), v) * grid.y.per_unit);
}
