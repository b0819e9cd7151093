// cfconv_forward_table -- cfconv_forward with tabulated filters
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W_f a cubic in each interval of d
//
// Per edge and channel one read of four coefficients and one of y_j; nothing of an edge but its
// place in the table reaches GPU memory.
//
// reads   reach [n_beads], edge, y [n_beads, QUADS], table [n_intervals, 3, QUADS]
// writes  m [n_beads, QUADS]   overwritten; no atomics; order of the sums: lib/row
// grid    SPLIT groups of LANES invocations per row; four channels to an invocation
// twin    src/reference/cfconv.rs
#import params
#import row
#import filter_table_read

const WORKGROUP: u32 = 256u;
// Edges that are fetched together: more hide more of the wait, and take more registers.
const TOGETHER: u32 = 2u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> table: array<Coefficients>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_forward_table(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = lane / LANES;
    let i = workgroup_number(id, grid) * ROWS + group / SPLIT;
    let mine = group % SPLIT;
    var here = vec4<u32>(0u);
    if i < params.n_beads {
        here = reach[i];
    }
    for (var slab = 0u; slab < QUADS; slab += LANES) {
        let q = slab + lane % LANES;
        var message = vec4<f32>(0.0);
        if q < QUADS {
            for (var k = 0u; k < PER_GROUP; k++) {
                let ends = segment(here, mine * PER_GROUP + k);
                var sum = vec4<f32>(0.0);
                for (var e = ends.x; e < ends.y; e += TOGETHER) {
                    // unroll
                    for (var next = 0u; next < TOGETHER; next++) {
                        let found = edge_or_nothing(e + next, ends.y);
                        let y_j = y[sender(here.z, found) * QUADS + q];
                        sum = fma(value(coefficients(found, q)), y_j, sum);
                    }
                }
                message += sum;
            }
        }
        let sum = joined(message, lane, mine);
        if mine == 0u && q < QUADS && i < params.n_beads {
            m[i * QUADS + q] = sum;
        }
    }
}
