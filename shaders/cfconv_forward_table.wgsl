// cfconv_forward_table -- cfconv_forward with tabulated filters
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W_f a cubic in each interval of d
//
// Per edge and channel one read of four coefficients and one of y_j; nothing of an edge reaches
// GPU memory. Edges beyond the cutoff are passed over, so that sums do not know of them.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, N_FILTERS], table
// writes  m [n_beads, N_FILTERS]   overwritten; no atomics; summation order = order of the row
// grid    one workgroup per bead; an invocation owns its channels over the whole row
// twin    src/reference/cfconv.rs
#import params
#import math
#import filter_table

const WORKGROUP: u32 = 128u;
const CHANNELS: u32 = 1u;
const_assert WORKGROUP * CHANNELS >= N_FILTERS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> y: array<f32>;
@group(0) @binding(5) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> m: array<f32>;

var<workgroup> ends: vec2<u32>;
var<workgroup> sender: array<u32, WORKGROUP>;
var<workgroup> lookups: array<Lookup, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_forward_table(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid);
    if lane == 0u {
        ends = vec2<u32>(0u);
        if i < params.n_beads {
            ends = row[i];
        }
    }
    let here = workgroupUniformLoad(&ends);
    var message: array<f32, CHANNELS>;
    for (var tile = here.x; tile < here.y; tile += WORKGROUP) {
        sender[lane] = NO_EDGE;
        if tile + lane < here.y {
            let j = col[tile + lane];
            let d = length_of(position[i].xyz - position[j].xyz);
            if d < RADIUS {
                var segment = table[0];
                for (var k = 1u; k < SEGMENTS; k++) {
                    if d >= table[k].x {
                        segment = table[k];
                    }
                }
                sender[lane] = j;
                lookups[lane] = lookup(segment, d);
            }
        }
        workgroupBarrier();
        let n = min(WORKGROUP, here.y - tile);
        for (var edge = 0u; edge < n; edge++) {
            let j = sender[edge];
            if j != NO_EDGE {
                let found = lookups[edge];
                for (var c = 0u; c < CHANNELS; c++) {
                    let f = c * WORKGROUP + lane;
                    if f < N_FILTERS {
                        let w = table_value(table[found.at + f], found.s);
                        message[c] = fma(w, y[j * N_FILTERS + f], message[c]);
                    }
                }
            }
        }
        workgroupBarrier();
    }
    if i < params.n_beads {
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                m[i * N_FILTERS + f] = message[c];
            }
        }
    }
}
