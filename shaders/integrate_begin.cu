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
#import math
#import walker
#import random
#import separation
#import acting

constexpr u32 WORKGROUP = 64u;
// Whether this kernel draws xi.
constexpr bool DRAWN = true;
// The row of xi, if it is read.
constexpr u32 NOISE_ROW = 0u;
// Positions are multiples of 1/GRID Å.
constexpr float GRID = 4294967296.0f;
// The largest coordinate of a bead, origin included, Å.
constexpr float FARTHEST = 1048576.0f;

__device__ inline bool is_broken(float3 x) {
    return is_broken(x.x) || is_broken(x.y) || is_broken(x.z);
}

__device__ inline bool within(float3 x, float limit) {
    return fabsf(x.x) < limit && fabsf(x.y) < limit && fabsf(x.z) < limit;
}

__device__ inline float on_grid(float x) {
    return rintf(x * GRID) * (1.0f / GRID);
}

__device__ inline float3 on_grid(float3 x) {
    return make_float3(on_grid(x.x), on_grid(x.y), on_grid(x.z));
}

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
    // from_grid and moved are multiples of 1/GRID, and so is their sum. Products with powers of two
    // are exact, so contraction to fma changes nothing.
    const Position x = position[i];
    const float3 from_grid = on_grid(xyz(x.high));
    const float3 moved = xyz(x.low) + on_grid(way);
    const Position sum = exact_sum(from_grid, moved);
    const float3 high = xyz(sum.high);
    const float3 low = xyz(sum.low);
    // The rounded sum is below FARTHEST only if the exact one is.
    if (is_broken(v) || is_broken(high) || is_broken(low) || !within(high + own.origin, FARTHEST)) {
        position[i].low.w = 1.0f;
        return;
    }
    if (!is_overdamped) {
        velocity[i] = with_w(v, inverse_mass);
    }
    position[i] = {with_w(high, x.high.w), with_w(low, x.low.w)};
}
