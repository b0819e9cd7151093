// scatter_force -- adds the force of every edge to the force on its receiver
//
// reads   edge, receiver and pull [n_edges], position [n_beads] Å
// writes  sums: after [n_beads, 4 QUADS] the force [2, n_beads, 4]   slow: added to; atomics, in
//         no order
// grid    one invocation per edge
#import common
#import edge
#import add

@group(0) @binding(1) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> receiver: array<u32>;
@group(0) @binding(3) var<storage, read> pull: array<f32>;
@group(0) @binding(4) var<storage, read> position: array<Position>;

@compute @workgroup_size(WORKGROUP)
fn scatter_force(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = element(id, grid, lane);
    if e >= arrayLength(&edge) {
        return;
    }
    let i = receiver[e];
    let force = -pull[e] * direction(position[i], position[sender(0u, edge[e])]);
    let at = 4u * (arrayLength(&position) * (QUADS + 1u) + i);
    add(at, force.x);
    add(at + 1u, force.y);
    add(at + 2u, force.z);
}
