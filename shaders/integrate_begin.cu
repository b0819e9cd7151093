// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi;
//                     x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   overdamped        x += F b h + sqrt(2 kT b h) xi,  b h = mobility
//   as published      x += F kT b h + sqrt(2 kT b h) xi
//
// F is the sum of the fast and the slow force. xi is drawn as in the kernel noise if DRAWN, else
// read.
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead, force [2, n_beads] kcal/mol/Å,
//         xi [n_beads], step_count, kt [n_replicas] kcal/mol
// writes  position [n_beads] Å, velocity [n_beads] Å/ps, w: 1/mass
// grid    one thread per bead
// twin    integrate_begin.wgsl, src/reference/integrate.rs
#import params
#import random
#import separation

constexpr u32 WORKGROUP = 64u;
// Whether this kernel draws xi.
constexpr bool DRAWN = true;
// Positions are multiples of 1/GRID Å.
constexpr float GRID = 4294967296.0f;

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
    const float* __restrict__ kt,
    Position* __restrict__ position,
    float4* __restrict__ velocity) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i >= params->n_beads) {
        return;
    }
    const float h = params->dt;
    const Bead me = bead[i];
    const u32 number = replica[me.replica].z;
    const float thermal = kt[me.replica];
    const float3 total = xyz(force[i]) + xyz(force[slow(params, i)]);
    float3 noise = three(0.0f);
    if (params->integrator != NVE) {
        if constexpr (DRAWN) {
            const uint4 counter = make_uint4(i - me.first, number, step_count[0], step_count[1]);
            noise = normal3(counter, make_uint2(params->seed_low, params->seed_high));
        } else {
            noise = xyz(xi[i]);
        }
    }
    float3 way;
    if (params->integrator == OVERDAMPED || params->integrator == OVERDAMPED_PUBLISHED) {
        const float drift =
            params->integrator != OVERDAMPED ? params->mobility * thermal : params->mobility;
        way = drift * total + sqrtf(2.0f * params->mobility * thermal) * noise;
    } else {
        const float inverse_mass = velocity[i].w;
        float3 v = xyz(velocity[i]) + (0.5f * h * inverse_mass) * total;
        if (params->integrator == LANGEVIN) {
            way = (0.5f * h) * v;
            v = params->keep * v + (params->refresh * sqrtf(thermal * inverse_mass)) * noise;
            way += (0.5f * h) * v;
        } else {
            way = h * v;
        }
        velocity[i] = with_w(v, inverse_mass);
    }
    // from_grid and moved are multiples of 1/GRID, and so is their sum. Products with powers of two
    // are exact, so contraction to fma changes nothing.
    const Position x = position[i];
    const float3 from_grid = on_grid(xyz(x.high));
    const float3 moved = xyz(x.low) + on_grid(way);
    const Position sum = exact_sum(from_grid, moved);
    position[i] = {with_w(xyz(sum.high), x.high.w), with_w(xyz(sum.low), x.low.w)};
}
