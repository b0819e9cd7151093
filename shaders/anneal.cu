// anneal -- the temperature of the next step, where it changes with the step
//
//   kT = kT_a + (kT_b - kT_a) (step - a) / (b - a) between the points a and b of the ramp;
//   that of the first point before it, and of the last point after it
//
// A replica with an alarm keeps its temperature.
//
// reads   ramp [N_POINTS] (kT, kcal/mol; see lib/ramp), step_count
// writes  walker [n_replicas] (kT)
// grid    one thread per replica
// twin    anneal.wgsl, src/ramp.rs
#import params
#import walker
#import ramp

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_POINTS = 2u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) anneal(
    const Params* __restrict__ params,
    const uint4* __restrict__ ramp,
    const u32* __restrict__ step_count,
    Walker* __restrict__ walker) {
    const u32 r = workgroup_number() * WORKGROUP + threadIdx.x;
    if (r >= params->n_replicas || walker[r].alarm != NO_ALARM) {
        return;
    }
    walker[r].kt = ramp_at(ramp, N_POINTS, make_uint2(step_count[0], step_count[1]));
}
