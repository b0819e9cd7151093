// exchange_end -- temperatures and velocities after an exchange
//
//   kT = kT of the new state;  v *= sqrt(T_new / T_old) (Langevin dynamics only)
//
// reads   bead, change [n_replicas] (factor of the velocities, kT; 0 in no ladder)
// writes  walker [n_replicas] (kT), velocity [n_beads] Å/ps
// grid    one thread per bead
// twin    exchange_end.wgsl, src/engine/exchange.rs
#import params
#import walker

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) exchange_end(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const float2* __restrict__ change,
    Walker* __restrict__ walker,
    float4* __restrict__ velocity) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i >= params->n_beads) {
        return;
    }
    const u32 r = bead[i].replica;
    const float2 changed = change[r];
    if (changed.y == 0.0f) {
        return;
    }
    if (i == bead[i].first) {
        walker[r].kt = changed.y;
    }
    if (params->integrator == LANGEVIN) {
        const float4 v = velocity[i];
        velocity[i] = with_w(changed.x * xyz(v), v.w);
    }
}
