// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi;
//                     x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   Brownian          x += F D h + sqrt(2 D h) xi,  D = mobility / beta
//
// A position is the sum of two numbers: one f32 alone loses digits at every step, and the energy
// wanders with them. All other kernels look at the high number. Both are multiples of 2^-32 Å, so
// that their sum is exact in the host's f64.
//
// xi is drawn as in noise.cu, or given.
//
// reads   replica [n_replicas] (first bead, beads, number, bits of 1/beta kcal/mol), bead, force,
//         xi [n_beads], step_count
// writes  position [n_beads] Å, position_low [n_beads] Å, w: 0, velocity [n_beads] Å/ps, w: 1/mass
// grid    one thread per bead
// twin    integrate_begin.wgsl, src/reference/integrate.rs
#import params
#import random

constexpr u32 WORKGROUP = 64u;
// Whether xi is drawn here.
constexpr bool DRAWN = true;
// 1/Å
constexpr float GRID = 4294967296.0f;

__device__ inline float on_grid(float x) {
    return rintf(x * GRID) * (1.0f / GRID);
}

// The sum of the larger and the smaller number, and what its rounding left out (Dekker 1971).
// Single operations, which the compiler neither contracts nor cancels.
__device__ inline float2 exact_sum(float a, float b) {
    const bool swap = fabsf(b) > fabsf(a);
    const float large = swap ? b : a;
    const float small = swap ? a : b;
    const float high = __fadd_rn(large, small);
    const float taken = __fsub_rn(high, large);
    return make_float2(high, __fsub_rn(small, taken));
}

// Position in two numbers after `way`.
__device__ inline float2 moved(float x, float low, float way) {
    return exact_sum(on_grid(x), __fadd_rn(low, on_grid(way)));
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) integrate_begin(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const float4* __restrict__ force,
    const float4* __restrict__ xi,
    const u32* __restrict__ step_count,
    float4* __restrict__ position,
    float4* __restrict__ position_low,
    float4* __restrict__ velocity) {
    const u32 i = workgroup_number() * WORKGROUP + threadIdx.x;
    if (i >= params->n_beads) {
        return;
    }
    const float h = params->dt;
    const Bead me = bead[i];
    const uint4 own = replica[me.replica];
    const float kt = float_of_bits(own.w);
    float3 noise = three(0.0f);
    if (params->integrator != NVE) {
        if constexpr (DRAWN) {
            const uint4 counter = make_uint4(i - me.first, own.z, step_count[0], step_count[1]);
            noise = normal3(counter, make_uint2(params->seed_low, params->seed_high));
        } else {
            noise = xyz(xi[i]);
        }
    }
    float3 way;
    if (params->integrator == OVERDAMPED) {
        const float reach = params->mobility * kt * h;
        way = reach * xyz(force[i]) + sqrtf(2.0f * reach) * noise;
    } else {
        const float inverse_mass = velocity[i].w;
        float3 v = xyz(velocity[i]) + (0.5f * h * inverse_mass) * xyz(force[i]);
        if (params->integrator == LANGEVIN) {
            way = (0.5f * h) * v;
            v = params->keep * v + (params->refresh * sqrtf(kt * inverse_mass)) * noise;
            way += (0.5f * h) * v;
        } else {
            way = h * v;
        }
        velocity[i] = with_w(v, inverse_mass);
    }
    const float4 x = position[i];
    const float4 low = position_low[i];
    const float2 new_x = moved(x.x, low.x, way.x);
    const float2 new_y = moved(x.y, low.y, way.y);
    const float2 new_z = moved(x.z, low.z, way.z);
    position[i] = make_float4(new_x.x, new_y.x, new_z.x, x.w);
    position_low[i] = make_float4(new_x.y, new_y.y, new_z.y, low.w);
}
