// integrate_end -- the part of a step after the force evaluation
//
//   v += h/2 F/m (not in overdamped dynamics);  step_count += 1
//
// F is the fast force plus SLOW_WEIGHT times the slow force, plus the bias force if HAS_BIAS. A force
// or a kinetic energy that exceeds its limit or is not finite raises an alarm. A velocity that would
// not be finite stays. Replicas that froze before this step stay as they are.
//
// reads   bead, force [2, n_beads], or [3, n_beads] if HAS_BIAS, kcal/mol/Å, w: energy
// writes  velocity [n_beads] Å/ps, step_count (low and high word), walker [n_replicas] (alarm)
// grid    one thread per bead
// twin    integrate_end.wgsl, src/reference/integrate.rs
#import params
#import math
#import walker
#import acting

constexpr u32 WORKGROUP = 64u;

__device__ inline bool exceeds(float x, float limit) {
    return is_broken(x) || x > limit;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) integrate_end(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const float4* __restrict__ force,
    float4* __restrict__ velocity,
    u32* __restrict__ step_count,
    Walker* __restrict__ walker) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i == 0u) {
        step_count[0] += 1u;
        if (step_count[0] == 0u) {
            step_count[1] += 1u;
        }
    }
    if (i >= params->n_beads) {
        return;
    }
    const Bead me = bead[i];
    Walker& own = walker[me.replica];
    if ((own.frozen_low | own.frozen_high) != 0u) {
        return;
    }
    const float4 sum = acting(params, force, i);
    const float3 total = xyz(sum);
    const float energy = sum.w;
    u32 reason = NO_ALARM;
    if (params->integrator == LANGEVIN || params->integrator == NVE) {
        const float w = velocity[i].w;
        const float3 v = xyz(velocity[i]) + (0.5f * params->dt * w) * total;
        if (exceeds(0.5f * dot(v, v) / (w * own.kt), params->max_kinetic)) {
            reason = KINETIC;
        }
        if (!(is_broken(v.x) || is_broken(v.y) || is_broken(v.z))) {
            velocity[i] = with_w(v, w);
        }
    }
    if (exceeds(dot(total, total), params->max_force2) || is_broken(energy)) {
        reason = FORCE;
    }
    if (reason != NO_ALARM) {
        atomicMin(&own.alarm, alarm_of(i - me.first, reason));
    }
}
