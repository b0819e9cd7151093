// bias_levels -- energies of each replica with the biases of each state of its ladder
//
//   E_s(x_r) = U(x_r) + min(sum_k W_k of state s, 2^31 kcal/mol)
//
// An energy that is not finite stays.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (see lib/variable and lib/bias), walker [n_replicas] (origin),
//         energy [n_replicas] kcal/mol: sum and rounding error
// writes  levels [STATES, n_replicas] kcal/mol: sum and rounding error
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    bias_levels.wgsl, src/engine/biases.rs
#import params
#import walker
#import sum

constexpr u32 WORKGROUP = 128u;
constexpr u32 STATES = 1u;
// So that the sum with U has room in the whole numbers of `exchange`.
constexpr float MOST = 2147483648.0f;

#import bias

extern "C" __global__ void __launch_bounds__(WORKGROUP) bias_levels(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ position,
    const u32* __restrict__ variables,
    Walker* __restrict__ walker,
    const float2* __restrict__ energy,
    float2* __restrict__ levels) {
    const u32 r = workgroup_number();
    if (r >= params->n_replicas) {
        return;
    }
    const u32 lane = threadIdx.x;
    const Here here = {variables, position + replica[r].x, replica[r].y, walker[r].origin};
    for (u32 k = 0u; k < n_biases(variables); k++) {
        const Evaluated e = evaluate(k, here);
        for (u32 s = 0u; s < STATES; s++) {
            const float of_bias = bias_energy(k, s, e, here);
            // `levels` first holds the sum over the biases.
            if (lane == 0u) {
                const u32 at = s * params->n_replicas + r;
                const float before = k == 0u ? 0.0f : levels[at].x;
                levels[at] = make_float2(before + of_bias, 0.0f);
            }
        }
    }
    if (lane == 0u) {
        const float2 u = energy[r];
        for (u32 s = 0u; s < STATES; s++) {
            const u32 at = s * params->n_replicas + r;
            const float2 with_biases = add(u, fminf(levels[at].x, MOST));
            levels[at] = is_broken(u.x) || is_broken(u.y) ? u : with_biases;
        }
    }
}
