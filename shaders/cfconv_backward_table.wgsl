// cfconv_backward_table -- cfconv_backward with tabulated filters
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// W and W' come from the same pieces, so that the force is the gradient of the energy.
//
// reads   row [n_beads], col, position [n_beads] Å, y and grad_m [n_beads, N_FILTERS], table
// writes  grad_y [n_beads, N_FILTERS]   overwritten; force [n_beads]   added to
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
@group(0) @binding(5) var<storage, read> grad_m: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> grad_y: array<f32>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> ends: vec2<u32>;
var<workgroup> sender: array<u32, WORKGROUP>;
var<workgroup> lookups: array<Lookup, WORKGROUP>;
// Unit vectors of a tile's edges, then the invocations' shares of the force.
var<workgroup> vectors: array<vec3<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_backward_table(
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
    var mine_y: array<f32, CHANNELS>;
    var mine_m: array<f32, CHANNELS>;
    var gradient: array<f32, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) {
        let f = c * WORKGROUP + lane;
        if f < N_FILTERS && i < params.n_beads {
            mine_y[c] = y[i * N_FILTERS + f];
            mine_m[c] = grad_m[i * N_FILTERS + f];
        }
    }
    var push = vec3<f32>(0.0);
    for (var tile = here.x; tile < here.y; tile += WORKGROUP) {
        sender[lane] = NO_EDGE;
        if tile + lane < here.y {
            let j = col[tile + lane];
            let separation = position[i].xyz - position[j].xyz;
            let d = length_of(separation);
            if d < RADIUS {
                var segment = table[0];
                for (var k = 1u; k < SEGMENTS; k++) {
                    if d >= table[k].x {
                        segment = table[k];
                    }
                }
                sender[lane] = j;
                lookups[lane] = lookup(segment, d);
                vectors[lane] = separation / d;
            }
        }
        workgroupBarrier();
        let n = min(WORKGROUP, here.y - tile);
        for (var edge = 0u; edge < n; edge++) {
            let j = sender[edge];
            if j != NO_EDGE {
                let found = lookups[edge];
                var pull = 0.0;
                for (var c = 0u; c < CHANNELS; c++) {
                    let f = c * WORKGROUP + lane;
                    if f < N_FILTERS {
                        let at = j * N_FILTERS + f;
                        let coefficients = table[found.at + f];
                        let their_m = grad_m[at];
                        gradient[c] =
                            fma(table_value(coefficients, found.s), their_m, gradient[c]);
                        pull = fma(
                            table_slope(coefficients, found.s, found.rate),
                            fma(y[at], mine_m[c], mine_y[c] * their_m),
                            pull,
                        );
                    }
                }
                push = fma(vec3<f32>(-pull), vectors[edge], push);
            }
        }
        workgroupBarrier();
    }
    if i < params.n_beads {
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                grad_y[i * N_FILTERS + f] = gradient[c];
            }
        }
    }
    vectors[lane] = push;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            vectors[lane] += vectors[lane + stride];
        }
        workgroupBarrier();
    }
    if lane == 0u && i < params.n_beads {
        force[i] += vec4<f32>(vectors[0], 0.0);
    }
}
