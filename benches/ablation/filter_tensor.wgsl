// filter_tensor -- writes the filter W of every edge, or its slope W' with SLOPE, to a tensor
//
// reads   edge [n_edges], table [n_intervals, 3, QUADS]
// writes  tensor [n_edges, QUADS]   overwritten
// grid    one invocation per edge and four channels
#import common
#import filter_table_read
#import of_edge

@group(0) @binding(0) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> tensor: array<vec4<f32>>;

const SLOPE: bool = false;

@compute @workgroup_size(WORKGROUP)
fn filter_tensor(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = element(id, grid, lane);
    if k >= arrayLength(&tensor) {
        return;
    }
    let cubic = edge_coefficients(edge[k / QUADS], k % QUADS);
    if SLOPE {
        tensor[k] = value_and_slope(cubic).slope;
    } else {
        tensor[k] = value(cubic);
    }
}
