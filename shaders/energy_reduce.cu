// energy_reduce -- potential energy of each replica
//
//   E_r = sum_i (fast energy of bead i + slow energy of bead i)
//
// The sum takes the classes in params.classes. A replica with an alarm gets NaN, so that it takes no
// part in exchanges.
//
// reads   replica [n_replicas] (first bead, beads, number, -), force [2, n_beads], w: energy,
//         kcal/mol, walker [n_replicas] (alarm)
// writes  energy [n_replicas] kcal/mol: the rounded sum, and the sum of the rounding errors
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    energy_reduce.wgsl, src/reference/engine.rs
#import params
#import walker
#import sum

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) energy_reduce(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const float4* __restrict__ force,
    Walker* __restrict__ walker,
    float2* __restrict__ energy) {
    __shared__ float2 part[WORKGROUP];
    const u32 r = workgroup_number();
    const u32 lane = threadIdx.x;
    float2 sum = make_float2(0.0f, 0.0f);
    if (r < params->n_replicas) {
        const u32 first = replica[r].x;
        const u32 n = replica[r].y;
        for (u32 k = lane; k < n; k += WORKGROUP) {
            const u32 i = first + k;
            sum = add(sum, (params->classes & SLOW) != 0u ? force[slow(params, i)].w : 0.0f);
            sum = add(sum, (params->classes & FAST) != 0u ? force[i].w : 0.0f);
        }
    }
    part[lane] = sum;
    __syncthreads();
    for (u32 stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if (lane < stride) {
            const float2 other = part[lane + stride];
            const float2 both = add(part[lane], other.x);
            part[lane] = make_float2(both.x, both.y + other.y);
        }
        __syncthreads();
    }
    if (lane == 0u && r < params->n_replicas) {
        const bool has_alarm = walker[r].alarm != NO_ALARM;
        energy[r] = make_float2(has_alarm ? float_of_bits(0x7fc00000u) : part[0].x, part[0].y);
    }
}
