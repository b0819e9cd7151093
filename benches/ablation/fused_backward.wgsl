// fused_backward -- filter, gradient and force of every edge in one kernel, by scatter-add
//
// reads   edge and receiver [n_edges], position [n_beads] Å, y and grad_m [n_beads, QUADS],
//         table [n_intervals, 3, QUADS]
// writes  sums: gradient [n_beads, 4 QUADS], then force [2, n_beads, 4]   slow: added to; atomics,
//         in no order
// grid    one invocation per edge and four channels
#import common
#import filter_table_read
#import of_edge
#import edge_sum
#import add_to_row

@group(0) @binding(1) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> receiver: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> grad_m: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn fused_backward(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = element(id, grid, lane) / QUADS;
    let q = lane % QUADS;
    let inside = e < arrayLength(&edge);
    var gradient = vec4<f32>(0.0);
    var product = 0.0;
    var i = 0u;
    var j = 0u;
    if inside {
        let found = edge[e];
        i = receiver[e];
        j = sender(0u, found);
        let w = value_and_slope(edge_coefficients(found, q));
        let grad_m_j = grad_m[j * QUADS + q];
        gradient = w.value * grad_m_j;
        let both = fma(y[j * QUADS + q], grad_m[i * QUADS + q], y[i * QUADS + q] * grad_m_j);
        product = dot(w.slope, both);
    }
    add_to_row(lane, inside, i, gradient);
    let pull = edge_sum(lane, product);
    if inside && q == 0u {
        let force = -pull * direction(position[i], position[j]);
        let at = 4u * (arrayLength(&position) * (QUADS + 1u) + i);
        add(at, force.x);
        add(at + 1u, force.y);
        add(at + 2u, force.z);
    }
}
