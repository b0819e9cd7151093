// cfconv_backward_table -- cfconv_backward with tabulated filters
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// W and W' come from the same cubics, so the force is the gradient of the tabulated energy.
//
// reads   reach [n_beads], edge, position [n_beads] Å, y and grad_m [n_beads, QUADS],
//         table [n_intervals + 1, 2 or 3, QUADS]
// writes  grad_y [n_beads, QUADS]   overwritten if WITH_GRAD;
//         force [2, n_beads]   slow range: added to
// grid    SPLIT groups of LANES invocations per row; an invocation has four channels; order of the
//         sums: lib/row, then over the channels in a tree of fixed shape
// twin    src/reference/cfconv.rs
#import params
#import separation
#import row
#import edge_share
#import filter_table_read

const WORKGROUP: u32 = 256u;
// Edges loaded together. Their products with gradients are summed in the format of products in
// lib/stored, f32 or f16.
const TOGETHER: u32 = 2u;
const_assert LANES % TOGETHER == 0u;
// Whether to compute grad_y: features before the first block do not depend on the positions.
const WITH_GRAD: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> y: array<Stored>;
@group(0) @binding(5) var<storage, read> grad_m: array<Stored>;
@group(0) @binding(6) var<storage, read> table: array<Coefficients>;
@group(0) @binding(7) var<storage, read_write> grad_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

// First an edge of each invocation and the direction of the edge, then the gradient and the force
// of each invocation.
var<workgroup> part: array<vec4<f32>, 2u * WORKGROUP>;
// Positions of the rows, here to save registers in the loop.
var<workgroup> row_position: array<Position, ROWS>;
// Invocations that share the sum of a row's force over the channels.
const FEW: u32 = min(LANES, 4u);

@compute @workgroup_size(WORKGROUP)
fn cfconv_backward_table(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = lane / LANES;
    let first_row = workgroup_number(id, grid) * ROWS;
    let i = first_row + group / SPLIT;
    let mine = group % SPLIT;
    let inside = i < params.n_beads;
    let me = min(i, params.n_beads - 1u);
    var here = vec4<u32>(0u);
    if inside {
        here = reach[i];
    }
    let length = segment_length(here);
    let longest = longest_segment(first_row);
    if lane % (LANES * SPLIT) == 0u {
        row_position[lane / (LANES * SPLIT)] = position[me];
    }
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var slab = 0u; slab < QUADS; slab += LANES) {
        let q = slab + lane % LANES;
        let channels = min(q, QUADS - 1u);
        let y_i = loaded(y[me * QUADS + channels]);
        let grad_i = loaded(grad_m[me * QUADS + channels]);
        var gradient = vec4<f32>(0.0);
        var push = vec3<f32>(0.0);
        for (var k = 0u; k < PER_GROUP; k++) {
            let ends = segment(here, mine * PER_GROUP + k);
            var gradients = vec4<f32>(0.0);
            var pushes = vec3<f32>(0.0);
            for (var tile = 0u; tile < longest; tile += LANES) {
                let own = edge_or_nothing(ends.x + tile + lane % LANES, ends.y);
                let between = separation(row_position[group / SPLIT], position[sender(here.z, own)]);
                // The floor makes the direction 0 for beads at the same position.
                let inverse = inverseSqrt(max(dot(between, between), 1e-8));
                part[lane] = shared_of(here.z, own);
                part[WORKGROUP + lane] = vec4<f32>(inverse * between, 0.0);
                workgroupBarrier();
                // `longest` bounds the loop; segments of this row may be shorter.
                let n = min(max(length, tile) - tile, LANES);
                for (var e = group * LANES; e < group * LANES + n; e += TOGETHER) {
                    var few = Real4(0.0);
                    // unroll
                    for (var next = 0u; next < TOGETHER; next++) {
                        let found = bitcast<vec4<u32>>(part[e + next]);
                        let y_j = loaded(y[found.x + channels]);
                        let grad_j = loaded(grad_m[found.x + channels]);
                        let w = value_and_slope(coefficients(found.y + channels, found.z));
                        let pull = dot_of(w.slope, fma(y_j, grad_i, y_i * grad_j));
                        let along = part[WORKGROUP + e + next].xyz;
                        pushes = fma(vec3<f32>(-pull), along, pushes);
                        if WITH_GRAD {
                            few = fma(w.value, grad_j, few);
                        }
                    }
                    gradients += widened(few);
                }
                workgroupBarrier();
            }
            gradient += gradients;
            push += pushes;
        }
        if q >= QUADS {
            push = vec3<f32>(0.0);
        }
        part[lane] = gradient;
        part[WORKGROUP + lane] = vec4<f32>(push, 0.0);
        workgroupBarrier();
        if mine == 0u {
            if WITH_GRAD && q < QUADS && inside {
                grad_y[i * QUADS + q] = joined(lane);
            }
            // No other invocation reads this element.
            part[WORKGROUP + lane] = joined(WORKGROUP + lane);
        }
        workgroupBarrier();
        if mine == 0u && lane % LANES < FEW {
            var sum = part[WORKGROUP + lane];
            for (var k = FEW; k < LANES; k += FEW) {
                sum += part[WORKGROUP + lane + k];
            }
            part[lane] = sum;
        }
        workgroupBarrier();
        if mine == 0u && lane % LANES == 0u {
            for (var k = 0u; k < FEW; k++) {
                total += part[lane + k];
            }
        }
        workgroupBarrier();
    }
    if mine == 0u && lane % LANES == 0u && inside {
        force[slow(i)] += params.gradient_unit * total;
    }
}
