// cfconv_forward_table -- cfconv_forward with tabulated filters
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W_f a cubic in each interval of d
//
// For each edge and channel the kernel reads four coefficients and y_j. For an edge GPU memory
// holds only the sender and the place in the table. A group takes LANES edges of a segment at a
// time.
//
// reads   reach [n_beads], edge, y [n_beads, QUADS], table [n_intervals + 1, 2 or 3, QUADS]
// writes  m [n_beads, QUADS]   overwritten; no atomics; order of the sums: lib/row
// grid    SPLIT groups of LANES invocations per row; an invocation has four channels
// twin    src/reference/cfconv.rs
#import params
#import row
#import edge_share
#import filter_table_read

const WORKGROUP: u32 = 256u;
// Edges loaded together.
const TOGETHER: u32 = 2u;
const_assert LANES % TOGETHER == 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> table: array<Coefficients>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4<f32>>;

// First an edge, then the sum of each invocation.
var<workgroup> part: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_forward_table(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = lane / LANES;
    let first_row = workgroup_number(id, grid) * ROWS;
    let i = first_row + group / SPLIT;
    let mine = group % SPLIT;
    var here = vec4<u32>(0u);
    if i < params.n_beads {
        here = reach[i];
    }
    let length = segment_length(here);
    let longest = longest_segment(first_row);
    for (var slab = 0u; slab < QUADS; slab += LANES) {
        let q = slab + lane % LANES;
        let channels = min(q, QUADS - 1u);
        var message = vec4<f32>(0.0);
        for (var k = 0u; k < PER_GROUP; k++) {
            let ends = segment(here, mine * PER_GROUP + k);
            var sum = vec4<f32>(0.0);
            for (var tile = 0u; tile < longest; tile += LANES) {
                let own = edge_or_nothing(ends.x + tile + lane % LANES, ends.y);
                part[lane] = shared_of(here.z, own);
                workgroupBarrier();
                // `longest` bounds the loop; segments of this row may be shorter.
                let n = min(max(length, tile) - tile, LANES);
                for (var e = group * LANES; e < group * LANES + n; e += TOGETHER) {
                    // unroll
                    for (var next = 0u; next < TOGETHER; next++) {
                        let found = bitcast<vec4<u32>>(part[e + next]);
                        let w = value(coefficients(found.y + channels, found.z));
                        sum = fma(w, y[found.x + channels], sum);
                    }
                }
                workgroupBarrier();
            }
            message += sum;
        }
        part[lane] = message;
        workgroupBarrier();
        if mine == 0u && q < QUADS && i < params.n_beads {
            m[i * QUADS + q] = joined(lane);
        }
        workgroupBarrier();
    }
}
