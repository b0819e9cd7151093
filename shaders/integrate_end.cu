// integrate_end -- the part of a step after the force evaluation
//
//   v += h/2 F/m (not in Brownian motion); the step is counted
//
// reads   force [n_beads] kcal/mol/Å
// writes  velocity [n_beads] Å/ps, step_count (low and high word)
// grid    one thread per bead
// twin    integrate_end.wgsl, src/reference/integrate.rs
#import params

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) integrate_end(
    const Params* __restrict__ params,
    const float4* __restrict__ force,
    float4* __restrict__ velocity,
    u32* __restrict__ step_count) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i == 0u) {
        step_count[0] += 1u;
        if (step_count[0] == 0u) {
            step_count[1] += 1u;
        }
    }
    if (i < params->n_beads && params->integrator != OVERDAMPED) {
        const float4 v = velocity[i];
        velocity[i] = with_w(xyz(v) + (0.5f * params->dt * v.w) * xyz(force[i]), v.w);
    }
}
