// fused_forward -- filter and message of every edge in one kernel, summed by scatter-add
//
// reads   edge and receiver [n_edges], y [n_beads, QUADS], table [n_intervals, 3, QUADS]
// writes  sums [n_beads, 4 QUADS]   added to; atomics, in no order
// grid    one invocation per edge and four channels
#import common
#import filter_table_read
#import of_edge
#import add_to_row

@group(0) @binding(1) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> receiver: array<u32>;
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> table: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn fused_forward(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = element(id, grid, lane) / QUADS;
    let q = lane % QUADS;
    let inside = e < arrayLength(&edge);
    var message = vec4<f32>(0.0);
    var i = 0u;
    if inside {
        let found = edge[e];
        i = receiver[e];
        message = value(edge_coefficients(found, q)) * y[sender(0u, found) * QUADS + q];
    }
    add_to_row(lane, inside, i, message);
}
