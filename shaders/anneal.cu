// anneal -- the temperature of the next step, where it changes with the step
//
//   kT = kT_a + (kT_b - kT_a) (step - a) / (b - a) between the points a and b of the ramp;
//   that of the first point before it, and of the last point after it
//
// A replica with an alarm keeps its temperature.
//
// reads   ramp [N_POINTS] (step, low and high word; bits of kT, kcal/mol; -), step_count
// writes  walker [n_replicas] (kT)
// grid    one thread per replica
// twin    anneal.wgsl, src/engine/anneal.rs
#import params
#import walker

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_POINTS = 2u;

__device__ inline bool is_at_least(uint2 a, uint2 b) {
    return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

// a - b for a >= b.
__device__ inline float difference(uint2 a, uint2 b) {
    const u32 high = a.y - b.y - (a.x < b.x ? 1u : 0u);
    return fmaf(float(high), 4294967296.0f, float(a.x - b.x));
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) anneal(
    const Params* __restrict__ params,
    const uint4* __restrict__ ramp,
    const u32* __restrict__ step_count,
    Walker* __restrict__ walker) {
    const u32 r = workgroup_number() * WORKGROUP + threadIdx.x;
    if (r >= params->n_replicas || walker[r].alarm != NO_ALARM) {
        return;
    }
    const uint2 step = make_uint2(step_count[0], step_count[1]);
    // The last point that is reached, or the first one.
    u32 k = 0u;
    for (u32 n = 1u; n < N_POINTS; n++) {
        if (is_at_least(step, make_uint2(ramp[n].x, ramp[n].y))) {
            k = n;
        }
    }
    const uint4 last = ramp[k];
    const uint4 next = ramp[min(k + 1u, N_POINTS - 1u)];
    const uint2 begin = make_uint2(last.x, last.y);
    const float start = float_of_bits(last.z);
    float kt = start;
    if (is_at_least(step, begin) && k + 1u < N_POINTS) {
        const float part = difference(step, begin) / difference(make_uint2(next.x, next.y), begin);
        kt = fmaf(float_of_bits(next.z) - start, part, start);
    }
    walker[r].kt = kt;
}
