// bias -- values, energies and forces of biases in each replica
//
//   F_i = F_i of the host - sum_k dW_k/dq_k dq_k/dx_i
//
// q_k is a variable, W_k(q_k) a bias. The numbers of W_k are those of the replica's state in its
// ladder if BY_STATE, else those of the replica. With ALONE the forces are those of bias params.term
// alone. Value and energy are NaN in a replica with an alarm.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (see lib/variable and lib/bias), walker [n_replicas] (origin, alarm),
//         pushed [n_beads] (forces of the host, kcal/mol/Å), place [n_replicas] (state, -)
// writes  force [3, n_beads] (the bias range; w: 0), biases [n_replicas, n_biases] (value, Å or rad, and
//         energy, kcal/mol)
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    bias.wgsl, src/bias.rs
#import params
#import walker

constexpr u32 WORKGROUP = 128u;
constexpr bool BY_STATE = false;
constexpr bool ALONE = false;

#import bias

extern "C" __global__ void __launch_bounds__(WORKGROUP) bias(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ position,
    const u32* __restrict__ variables,
    Walker* __restrict__ walker,
    const float4* __restrict__ pushed,
    const uint2* __restrict__ place,
    float4* __restrict__ force,
    float2* __restrict__ biases) {
    const u32 r = workgroup_number();
    if (r >= params->n_replicas) {
        return;
    }
    const u32 lane = threadIdx.x;
    const u32 first = replica[r].x;
    const Here here = {variables, position + first, replica[r].y, walker[r].origin};
    const bool has_alarm = walker[r].alarm != NO_ALARM;
    const u32 row = BY_STATE ? place[r].x : r;
    // Each thread adds to the forces on beads of its own.
    for (u32 bead = lane; bead < here.n_beads; bead += WORKGROUP) {
        const u32 i = first + bead;
        force[biased(params, i)] = ALONE ? four(0.0f) : pushed[i];
    }
    for (u32 k = 0u; k < n_biases(variables); k++) {
        const Evaluated e = evaluate(k, here);
        const float energy = bias_energy(k, row, e, here);
        if (lane == 0u) {
            const float nan = float_of_bits(0x7fc00000u);
            biases[r * n_biases(variables) + k] =
                has_alarm ? make_float2(nan, nan) : make_float2(e.value, energy);
        }
        if (!ALONE || k == params->term) {
            for (u32 bead = lane; bead < here.n_beads; bead += WORKGROUP) {
                const float3 f = bias_force(k, row, e, here, bead);
                force[biased(params, first + bead)] += with_w(f, 0.0f);
            }
        }
    }
}
