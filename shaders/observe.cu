// observe -- values of variables at the positions of each replica
//
//   q_rk = variable k at the positions of replica r
//
// A replica with an alarm gets NaN. With GRADIENT, which only tests use, the kernel also writes the
// gradient of the last variable.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (headers, then beads, tables and references; see lib/variable),
//         walker [n_replicas] (origin, alarm)
// writes  observed [n_replicas, n_variables] Å or rad, gradients [n_beads]
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    observe.wgsl, src/variable/evaluate.rs
#import params
#import walker

constexpr u32 WORKGROUP = 128u;
constexpr bool GRADIENT = false;

#import variable

extern "C" __global__ void __launch_bounds__(WORKGROUP) observe(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ position,
    const u32* __restrict__ variables,
    Walker* __restrict__ walker,
    float* __restrict__ observed,
    float4* __restrict__ gradients) {
    const u32 r = workgroup_number();
    if (r >= params->n_replicas) {
        return;
    }
    const u32 lane = threadIdx.x;
    const u32 first = replica[r].x;
    const Here here = {variables, position + first, replica[r].y, walker[r].origin};
    const bool has_alarm = walker[r].alarm != NO_ALARM;
    for (u32 k = 0u; k < n_variables(variables); k++) {
        const Evaluated e = evaluate(k, here);
        if (lane == 0u) {
            observed[r * n_variables(variables) + k] = has_alarm ? float_of_bits(0x7fc00000u) : e.value;
        }
        if (GRADIENT && k + 1u == n_variables(variables)) {
            for (u32 bead = lane; bead < here.n_beads; bead += WORKGROUP) {
                gradients[first + bead] = with_w(gradient(k, e, here, bead), 0.0f);
            }
        }
    }
}
