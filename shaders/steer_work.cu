// steer_work -- the work of moving biases on each replica in a step
//
//   W_k += k (q - m)^2 - k (q - c(n))^2          before the drift, or with AFTER
//   W_k += k (q - c(n + 1))^2 - k (q - m)^2      after it, with m = (c(n) + c(n + 1))/2
//
// n steps are done. `steer` has set c(n + 1). Replicas with an alarm keep their work. Work is a multiple
// of 1/UNIT kcal/mol, so that the host can hold and restore it.
//
// reads   ramp (see `steer`), step_count, variables (see lib/spring), biases [n_replicas, n_biases]
//         (value q, Å or rad, -), walker [n_replicas] (alarm)
// writes  work [n_replicas, n_biases] (high and low part, kcal/mol)
// grid    one thread per replica and bias
// twin    steer_work.wgsl, src/bias.rs
#import params
#import walker
#import spring
#import ramp
#import separation

constexpr u32 WORKGROUP = 64u;
constexpr float UNIT = 4294967296.0f;
constexpr bool AFTER = false;

__device__ inline Spring at(float k, float center) { return {k, center, center}; }

extern "C" __global__ void __launch_bounds__(WORKGROUP) steer_work(
    const Params* __restrict__ params,
    const uint4* __restrict__ ramp,
    const u32* __restrict__ step_count,
    const u32* __restrict__ variables,
    const float2* __restrict__ biases,
    Walker* __restrict__ walker,
    float2* __restrict__ work) {
    const u32 number = workgroup_number() * WORKGROUP + threadIdx.x;
    const u32 r = number / n_biases(variables);
    const u32 k = number % n_biases(variables);
    const uint4 of_path = ramp[k];
    if (r >= params->n_replicas || of_path.y == 0u || walker[r].alarm != NO_ALARM) {
        return;
    }
    const float q = biases[number].x;
    const Spring next = spring_at(k, r, variables);
    const uint2 step = make_uint2(step_count[0], step_count[1]);
    const float center = ramp_at(ramp + of_path.x, of_path.y, step);
    const float middle = 0.5f * (center + next.lower);
    const Spring a = at(next.k, AFTER ? middle : center);
    const Spring b = at(next.k, AFTER ? next.lower : middle);
    float2 turns = make_float2(0.0f, 0.0f);
    if (of_path.z == 1u) {
        turns = make_float2(turns_of(a, q), turns_of(b, q));
    }
    const float x = (q - turns.x * (2.0f * PI)) - a.lower;
    const float y = (q - turns.y * (2.0f * PI)) - b.lower;
    // y - x without the rounding of q.
    const float rise = (a.lower - b.lower) + (turns.x - turns.y) * (2.0f * PI);
    const float added = next.k * rise * (x + y);
    const float2 old = work[number];
    work[number] = exact_sum(old.x, old.y + rintf(added * UNIT) * (1.0f / UNIT));
}
