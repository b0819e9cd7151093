// metadynamics -- the potential of hills in each replica, and its forces
//
//   F_i -= sum_k dV/dq_k dq_k/dx_i
//
// V is the potential on a grid over the variables q. A replica whose variables are not on the grid gets
// no force, and an alarm. Variables and energy are NaN in a replica that is not on the grid or has an
// alarm. With ALONE the forces are those of the hills alone.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (see lib/variable), potential [1], hill_node [nodes] (see lib/grid_potential)
// writes  walker [n_replicas] (alarm), force [3, n_beads] (the bias range, kcal/mol/Å; w: 0),
//         value [n_replicas] (variables, Å, rad or without unit, V, kcal/mol, 0)
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    metadynamics.wgsl, src/metadynamics.rs
#import params
#import walker

constexpr u32 WORKGROUP = 128u;
// The number of variables, 1 or 2.
constexpr u32 VARIABLES = 1u;
constexpr bool ALONE = false;

#import variable
#import grid_potential

extern "C" __global__ void __launch_bounds__(WORKGROUP) metadynamics(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Position* __restrict__ position,
    const u32* __restrict__ variables,
    const GridPotential* __restrict__ potential,
    const GridNode* __restrict__ hill_node,
    Walker* __restrict__ walker,
    float4* __restrict__ force,
    float4* __restrict__ value) {
    const u32 r = workgroup_number();
    if (r >= params->n_replicas) {
        return;
    }
    const u32 lane = threadIdx.x;
    const u32 first = replica[r].x;
    const Here here = {variables, position + first, replica[r].y, walker[r].origin};
    Evaluated variable_of[2] = {};
    for (u32 k = 0u; k < VARIABLES; k++) {
        variable_of[k] = evaluate(k, here);
    }
    const GridPotential own = potential[0];
    // 0 for a variable that is missing.
    const float2 q = make_float2(variable_of[0].value, variable_of[1].value);
    const bool is_on_grid = is_on_axis(own.x, q.x) && is_on_axis(own.y, q.y);
    float3 found = three(0.0f);
    if (is_on_grid) {
        const float2 place = make_float2(place_on(own.x, q.x), place_on(own.y, q.y));
        found = potential_at(own, hill_node, place);
    }
    if (lane == 0u) {
        const bool has_alarm = walker[r].alarm != NO_ALARM;
        value[r] = has_alarm || !is_on_grid ? four(float_of_bits(0x7fc00000u))
                                            : make_float4(q.x, q.y, found.x, 0.0f);
        // A replica that froze at an earlier step keeps its reason.
        if (!is_on_grid && (walker[r].frozen_low | walker[r].frozen_high) == 0u) {
            atomicMin(&walker[r].alarm, alarm_of(0u, OFF_GRID));
        }
    }
    for (u32 bead = lane; bead < here.n_beads; bead += WORKGROUP) {
        const u32 i = biased(params, first + bead);
        float3 f = found.y * gradient(0u, variable_of[0], here, bead);
        if constexpr (VARIABLES == 2u) {
            f += found.z * gradient(1u, variable_of[1], here, bead);
        }
        force[i] = (ALONE ? four(0.0f) : force[i]) - with_w(f, 0.0f);
    }
}
