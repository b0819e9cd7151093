// integrate_end -- the part of a step after the force evaluation
//
//   v += h/2 F/m (not in overdamped dynamics);  step_count += 1
//
// reads   force [2, n_beads] kcal/mol/Å: fast range, slow range
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
    const bool has_velocities = params->integrator == LANGEVIN || params->integrator == NVE;
    if (i < params->n_beads && has_velocities) {
        const float4 v = velocity[i];
        const float3 total = xyz(force[i]) + xyz(force[slow(params, i)]);
        velocity[i] = with_w(xyz(v) + (0.5f * params->dt * v.w) * total, v.w);
    }
}
