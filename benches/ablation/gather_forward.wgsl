// gather_forward -- writes the message of every edge, y_j o W, to a tensor
//
// reads   edge [n_edges], filters [n_edges, QUADS], y [n_beads, QUADS]
// writes  message [n_edges, QUADS]   overwritten
// grid    one invocation per edge and four channels
#import common
#import edge

@group(0) @binding(0) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> filters: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> message: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn gather_forward(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = element(id, grid, lane);
    if k < arrayLength(&message) {
        message[k] = filters[k] * y[sender(0u, edge[k / QUADS]) * QUADS + k % QUADS];
    }
}
