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
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/metadynamics.rs
#import params
#import walker
#import variable
#import grid_potential

const WORKGROUP: u32 = 128u;
// The number of variables, 1 or 2.
const VARIABLES: u32 = 1u;
const ALONE: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> position: array<Position>;
@group(0) @binding(3) var<storage, read> variables: array<u32>;
@group(0) @binding(4) var<storage, read> potential: array<GridPotential>;
@group(0) @binding(5) var<storage, read> hill_node: array<GridNode>;
@group(0) @binding(6) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(7) var<storage, read_write> force: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> value: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn metadynamics(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid);
    // A workgroup without a replica takes part in the barriers.
    let r = min(number, params.n_replicas - 1u);
    let here = Here(replica[r].x, replica[r].y, walker[r].origin);
    var variable_of: array<Evaluated, 2>;
    for (var k = 0u; k < VARIABLES; k++) {
        variable_of[k] = evaluate(k, here, lane);
    }
    if number != r {
        return;
    }
    let own = potential[0];
    // 0 for a variable that is missing.
    let q = vec2<f32>(variable_of[0].value, variable_of[1].value);
    let is_on_grid = is_on_axis(own.x, q.x) && is_on_axis(own.y, q.y);
    var found = vec3<f32>(0.0);
    if is_on_grid {
        found = potential_at(own, vec2<f32>(place_on(own.x, q.x), place_on(own.y, q.y)));
    }
    if lane == 0u {
        let has_alarm = atomicLoad(&walker[r].alarm) != NO_ALARM;
        // Bits, because WGSL has no NaN.
        let bits = bitcast<vec4<u32>>(vec4<f32>(q, found.x, 0.0));
        let shown = select(bits, vec4<u32>(0x7fc00000u), has_alarm || !is_on_grid);
        value[r] = bitcast<vec4<f32>>(shown);
        // A replica that froze at an earlier step keeps its reason.
        if !is_on_grid && (walker[r].frozen_low | walker[r].frozen_high) == 0u {
            atomicMin(&walker[r].alarm, alarm_of(0u, OFF_GRID));
        }
    }
    for (var bead = lane; bead < here.n_beads; bead += WORKGROUP) {
        let i = biased(here.first + bead);
        var f = found.y * gradient(0u, variable_of[0], here, bead);
        if VARIABLES == 2u {
            f += found.z * gradient(1u, variable_of[1], here, bead);
        }
        force[i] = select(force[i], vec4<f32>(0.0), ALONE) - vec4<f32>(f, 0.0);
    }
}
