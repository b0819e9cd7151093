// cfconv_backward_table -- cfconv_backward with tabulated filters
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// W and W' come from the same pieces, so that the force is the gradient of the energy.
//
// reads   reach [n_beads], edge, position [n_beads] Å, y and grad_m [n_beads, QUADS],
//         table [n_intervals, 3, QUADS]
// writes  grad_y [n_beads, QUADS]   overwritten, but where WITH_GRAD is false; force [n_beads]
//         added to
// grid    SPLIT groups of LANES invocations per row; four channels to an invocation; order of the
//         sums: lib/row, then over the channels in a tree of fixed shape
// twin    src/reference/cfconv.rs
#import params
#import row
#import filter_table_read

const WORKGROUP: u32 = 256u;
// Edges that are fetched together: more hide more of the wait, and take more registers.
const TOGETHER: u32 = 3u;
// Gradients and slopes come in parts of it.
const GRADIENT_UNIT: f32 = 1.0;
// Before the first block nothing depends on the positions.
const WITH_GRAD: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> y: array<Stored>;
@group(0) @binding(5) var<storage, read> grad_m: array<Stored>;
@group(0) @binding(6) var<storage, read> table: array<Coefficients>;
@group(0) @binding(7) var<storage, read_write> grad_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_backward_table(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = lane / LANES;
    let i = workgroup_number(id, grid) * ROWS + group / SPLIT;
    let mine = group % SPLIT;
    let inside = i < params.n_beads;
    var here = vec4<u32>(0u);
    if inside {
        here = reach[i];
    }
    var total = vec3<f32>(0.0);
    for (var slab = 0u; slab < QUADS; slab += LANES) {
        let q = slab + lane % LANES;
        var gradient = vec4<f32>(0.0);
        var push = vec3<f32>(0.0);
        if inside && q < QUADS {
            let x = position[i].xyz;
            let y_i = loaded(y[i * QUADS + q]);
            let grad_i = loaded(grad_m[i * QUADS + q]);
            for (var k = 0u; k < PER_GROUP; k++) {
                let ends = segment(here, mine * PER_GROUP + k);
                var gradients = vec4<f32>(0.0);
                var pushes = vec3<f32>(0.0);
                for (var e = ends.x; e < ends.y; e += TOGETHER) {
                    // unroll
                    for (var next = 0u; next < TOGETHER; next++) {
                        let found = edge_or_nothing(e + next, ends.y);
                        let j = sender(here.z, found);
                        let y_j = loaded(y[j * QUADS + q]);
                        let grad_j = loaded(grad_m[j * QUADS + q]);
                        let w = value_and_slope(coefficients(found, q));
                        let separation = x - position[j].xyz;
                        // Beads in one place do not push each other.
                        let inverse = inverseSqrt(max(dot(separation, separation), 1e-30));
                        let pull = dot_of(w.slope, fma(y_j, grad_i, y_i * grad_j)) * inverse;
                        pushes = fma(vec3<f32>(-pull), separation, pushes);
                        if WITH_GRAD {
                            gradients = add_product(gradients, w.value, grad_j);
                        }
                    }
                }
                gradient += gradients;
                push += pushes;
            }
        }
        if WITH_GRAD {
            let sum = joined(gradient, lane, mine);
            if mine == 0u && q < QUADS && inside {
                grad_y[i * QUADS + q] = sum;
            }
        }
        part[lane] = joined(vec4<f32>(push, 0.0), lane, mine);
        workgroupBarrier();
        for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
            if mine == 0u && lane % LANES < stride {
                part[lane] += part[lane + stride];
            }
            workgroupBarrier();
        }
        total += part[group * LANES].xyz;
    }
    if mine == 0u && lane % LANES == 0u && inside {
        force[i] += vec4<f32>(GRADIENT_UNIT * total, 0.0);
    }
}
