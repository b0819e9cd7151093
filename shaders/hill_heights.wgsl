// hill_heights -- the grid potential at the values of each walker, and the height of its next hill
//
//   h_r = h0 exp(-V(q_r) / (k_B (gamma - 1) T))
//
// A walker whose values are not on the grid gets NaN as potential, and a hill of height 0.
//
// reads   potential [1], hill_node [nodes] (see lib/grid_potential), value [n_replicas] (x, y, -) in Å,
//         in rad or without unit
// writes  reading [n_replicas] (V, its gradient, 0) kcal/mol and per unit of each variable,
//         hill [n_replicas] (place in bins, height kcal/mol, 0)
// grid    one invocation per walker
// twin    src/hills/grid.rs
#import params
#import grid_potential

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> potential: array<GridPotential>;
@group(0) @binding(2) var<storage, read> hill_node: array<GridNode>;
@group(0) @binding(3) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> reading: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> hill: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn hill_heights(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid) * WORKGROUP + lane;
    if r >= params.n_replicas {
        return;
    }
    let own = potential[0];
    let q = value[r];
    if !is_on_axis(own.x, q.x) || !is_on_axis(own.y, q.y) {
        // Bits, because WGSL has no NaN. A bitcast of constants to a NaN is an error.
        let bits = vec4<u32>(0x7fc00000u);
        reading[r] = bitcast<vec4<f32>>(bits);
        hill[r] = vec4<f32>(0.0);
        return;
    }
    let place = vec2<f32>(place_on(own.x, q.x), place_on(own.y, q.y));
    let found = potential_at(own, place);
    reading[r] = vec4<f32>(found, 0.0);
    hill[r] = vec4<f32>(place, own.height * exp_of(-own.rate * found.x), 0.0);
}
