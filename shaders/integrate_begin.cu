// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi;
//                     x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   overdamped        x += F b h + sqrt(2 kT b h) xi,  b h = mobility
//   as published      x += F kT b h + sqrt(2 kT b h) xi
//
// F is the fast force plus SLOW_WEIGHT times the slow force, plus the bias force if HAS_BIAS. xi is
// drawn as in the kernel noise if DRAWN, else read.
//
// A replica with an alarm does not move, and gets the step at which it froze. A bead whose next
// position would be beyond FARTHEST, or whose next position or velocity would not be finite, does
// not move either: it is marked, and neighbor_check raises the alarm, because this kernel reads it.
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead,
//         force [2, n_beads], or [3, n_beads] if HAS_BIAS, kcal/mol/Å,
//         xi [steps of an outer step, n_beads], step_count, walker [n_replicas] (origin, kT, alarm)
// writes  position [n_beads] Å, low.w: 1 if the bead is marked, velocity [n_beads] Å/ps, w: 1/mass,
//         walker (frozen)
// grid    one thread per bead
// twin    integrate_begin.wgsl, src/reference/integrate.rs
#import params
#import walker
#import random
#import grid
#import acting

constexpr u32 WORKGROUP = 64u;
// Whether this kernel draws xi.
constexpr bool DRAWN = true;
// The row of xi, if it is read.
constexpr u32 NOISE_ROW = 0u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) integrate_begin(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const float4* __restrict__ force,
    const float4* __restrict__ xi,
    const u32* __restrict__ step_count,
    Walker* __restrict__ walker,
    Position* __restrict__ position,
    float4* __restrict__ velocity) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i >= params->n_beads) {
        return;
    }
    const Bead me = bead[i];
    Walker& own = walker[me.replica];
    if (own.alarm != NO_ALARM) {
        if (i == me.first && (own.frozen_low | own.frozen_high) == 0u) {
            own.frozen_low = step_count[0] + 1u;
            own.frozen_high = step_count[1] + (step_count[0] == 0xffffffffu ? 1u : 0u);
        }
        return;
    }
    const float h = params->dt;
    const u32 number = replica[me.replica].z;
    const float thermal = own.kt;
    const float3 total = xyz(acting(params, force, i));
    float3 noise = three(0.0f);
    if (params->integrator != NVE) {
        if constexpr (DRAWN) {
            const uint4 counter = make_uint4(i - me.first, number, step_count[0], step_count[1]);
            noise = normal3(counter, make_uint2(params->seed_low, params->seed_high));
        } else {
            noise = xyz(xi[NOISE_ROW * params->n_beads + i]);
        }
    }
    const bool is_overdamped =
        params->integrator == OVERDAMPED || params->integrator == OVERDAMPED_PUBLISHED;
    float inverse_mass = 0.0f;
    float3 v = three(0.0f);
    float3 way;
    if (is_overdamped) {
        const float drift =
            params->integrator != OVERDAMPED ? params->mobility * thermal : params->mobility;
        way = drift * total + sqrtf(2.0f * params->mobility * thermal) * noise;
    } else {
        inverse_mass = velocity[i].w;
        v = xyz(velocity[i]) + (0.5f * h * inverse_mass) * total;
        if (params->integrator == LANGEVIN) {
            way = (0.5f * h) * v;
            v = params->keep * v + (params->refresh * sqrtf(thermal * inverse_mass)) * noise;
            way += (0.5f * h) * v;
        } else {
            way = h * v;
        }
    }
    const Position next = moved_by(position[i], way);
    if (any_broken(v) || !may_be_at(next, own.origin)) {
        position[i].low.w = 1.0f;
        return;
    }
    if (!is_overdamped) {
        velocity[i] = with_w(v, inverse_mass);
    }
    position[i] = next;
}
