// gather_backward -- writes the contribution of every edge to the gradient, W o grad_m_j, to a
// tensor, and its pull, sum_f W'_f (y_jf grad_m_if + y_if grad_m_jf)
//
// reads   edge and receiver [n_edges], filters and slopes [n_edges, QUADS], y and grad_m
//         [n_beads, QUADS]
// writes  message [n_edges, QUADS], pull [n_edges]   overwritten
// grid    one invocation per edge and four channels
#import common
#import edge
#import edge_sum

@group(0) @binding(0) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> receiver: array<u32>;
@group(0) @binding(2) var<storage, read> filters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> slopes: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> grad_m: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> message: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> pull: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn gather_backward(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = element(id, grid, lane);
    let q = k % QUADS;
    let inside = k < arrayLength(&message);
    var product = 0.0;
    if inside {
        let i = receiver[k / QUADS] * QUADS + q;
        let j = sender(0u, edge[k / QUADS]) * QUADS + q;
        let gradient = grad_m[j];
        message[k] = filters[k] * gradient;
        product = dot(slopes[k], fma(y[j], grad_m[i], y[i] * gradient));
    }
    let sum = edge_sum(lane, product);
    if inside && q == 0u {
        pull[k / QUADS] = sum;
    }
}
