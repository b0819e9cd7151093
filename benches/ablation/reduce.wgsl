// reduce -- sums the messages of every row
//
// reads   reach [n_beads], message [n_edges, QUADS]
// writes  m [n_beads, QUADS]   overwritten; no atomics; order of the sums: lib/row
// grid    SPLIT groups of LANES invocations per row; an invocation has four channels
#import params
#import row

const WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> message: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4<f32>>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn reduce(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * ROWS + lane / LANES / SPLIT;
    let mine = lane / LANES % SPLIT;
    let inside = i < params.n_beads;
    var sum = vec4<f32>(0.0);
    if inside {
        let ends = segment(reach[i], mine);
        for (var e = ends.x; e < ends.y; e++) {
            sum += message[e * QUADS + lane % LANES];
        }
    }
    part[lane] = sum;
    workgroupBarrier();
    if inside && mine == 0u {
        m[i * QUADS + lane % LANES] = joined(lane);
    }
}
