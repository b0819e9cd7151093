// cfconv_backward_matrix -- cfconv_backward with the filter networks on tensor cores
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// The method is that of cfconv_forward_matrix, but half of the subgroups compute the values and the
// other half the slopes of the same edges. Slopes of the basis are multiplied by a power of two
// that brings them into the range of f16.
//
// reads   row [n_beads], col, position [n_beads] Å, y and grad_m [n_beads, quads of filters],
//         halves and numbers as in cfconv_forward_matrix
// writes  grad_y [n_beads, quads of filters]   overwritten;
//         force [2, n_beads]   slow range: added to; order of the sums as in cfconv_forward_matrix,
//         then over channels
// grid    one workgroup per ROWS beads; a subgroup gathers an edge, an invocation a quad of
//         channels
// twin    src/reference/cfconv.rs
#import params
#import near
#import separation
#import matrix
#import filter_matrix

// Edges of a tile: one matrix of values and one of slopes.
const TILE: u32 = 16u;
const PER_LANE: u32 = 1u;
const_assert PER_LANE * SUBGROUPS == TILE && TILE == 16u;
// Offsets of the slopes behind the values.
const BASIS_SLOPES: u32 = TILE * BASIS_STRIDE;
const HIDDEN_SLOPES: u32 = TILE * HIDDEN_STRIDE;
const SUM_SLOPES: u32 = TILE * SUM_STRIDE;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> grad_m: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> halves: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read> numbers: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> grad_y: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> force: array<vec4<f32>>;

// A bit for each entry of a segment that is within the cutoff.
var<workgroup> near: array<atomic<u32>, WORDS>;
// Neighbor r is in slot r % SLOTS: C, C' of the basis, t, t'; C, C' of the convolution; rhat and
// the bits of the sender's index.
var<workgroup> bases: array<vec4<f32>, SLOTS>;
var<workgroup> factors: array<vec2<f32>, SLOTS>;
var<workgroup> edges: array<vec4<u32>, SLOTS>;
// First the basis [value or slope, edge, function] and its low parts, then in the same place the
// hidden layer [value or slope, edge, channel].
var<workgroup> rows: array<vec4<f16>, ROWS_SIZE>;
// The sums of one layer at a time [value or slope, edge, channel], at the end the sums of all
// invocations.
var<workgroup> sums: array<vec4<f32>, max(2u * TILE * SUM_STRIDE, 2u * WORKGROUP)>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_backward_matrix(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = lane % 32u;
    // The subgroups with half = 0 compute values, those with half = 1 slopes.
    let column = column_of(lane);
    let half = 2u * lane / WORKGROUP;
    // The columns of this subgroup of both layers, one matrix per 16 inputs.
    var into: array<Weight, RBF_MATRICES>;
    var out: array<Weight, FILTER_MATRICES>;
    // unroll
    for (var k = 0u; k < RBF_MATRICES; k++) {
        into[k] = weight_at(64u * (k * FILTER_MATRICES + column));
    }
    // unroll
    for (var k = 0u; k < FILTER_MATRICES; k++) {
        out[k] = weight_at(FILTER1 + 64u * (k * FILTER_MATRICES + column));
    }
    // x, y: 1 / scale of the first and second layer; z: 1 / scale of the second layer's slopes;
    // w: the power of two that multiplies the slopes of the basis.
    let unscale = numbers[0];
    let bias = numbers[BIAS + min(q, 4u * FILTER_MATRICES - 1u)];
    let function = lane % BASIS_LANES;
    let center = numbers[FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u)];
    let sharpness = numbers[FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u) + 1u];

    for (var r = 0u; r < ROWS; r++) {
        let i = workgroup_number(id, grid) * ROWS + r;
        var here = vec2<u32>(0u);
        var mine_y = vec4<f32>(0.0);
        var mine_m = vec4<f32>(0.0);
        if i < params.n_beads {
            here = row[i];
            if q < QUADS {
                mine_y = y[i * QUADS + q];
                mine_m = grad_m[i * QUADS + q];
            }
        }
        var gradient = vec4<f32>(0.0);
        var push = vec3<f32>(0.0);
        var found = 0u;
        var done = 0u;
        for (var first = here.x; first < here.y; first += SEGMENT) {
            if lane < WORDS {
                atomicStore(&near[lane], 0u);
            }
            workgroupBarrier();
            var j = 0u;
            var between = vec3<f32>(0.0);
            var d = RADIUS;
            if lane < SEGMENT && first + lane < here.y {
                j = col[first + lane];
                between = separation(position[i], position[j]);
                d = length_of(between);
            }
            if d < RADIUS {
                atomicOr(&near[lane / 32u], 1u << q);
            }
            workgroupBarrier();
            var at = found;
            // unroll
            for (var w = 0u; w < WORDS; w++) {
                let bits = atomicLoad(&near[w]);
                found += countOneBits(bits);
                if w < lane / 32u {
                    at += countOneBits(bits);
                } else if w == lane / 32u {
                    at += countOneBits(bits & ((1u << q) - 1u));
                }
            }
            if d < RADIUS {
                let of_basis = edge_basis(d);
                bases[at % SLOTS] = vec4<f32>(of_basis.envelope, of_basis.coordinate);
                factors[at % SLOTS] = conv_envelope(d);
                edges[at % SLOTS] = vec4<u32>(bitcast<vec3<u32>>(unit_of(between, d)), j);
            }
            workgroupBarrier();
            let last = first + SEGMENT >= here.y;
            for (; done + TILE <= found || (last && done < found); done += TILE) {
                for (var t = lane / BASIS_LANES; t < TILE; t += WORKGROUP / BASIS_LANES) {
                    var value = vec4<f32>(0.0);
                    var slope = vec4<f32>(0.0);
                    if done + t < found {
                        let basis = bases[(done + t) % SLOTS];
                        value = radial_near(basis.x, basis.z, center, sharpness);
                        slope = radial_slope_near(basis.xy, basis.zw, center, sharpness);
                    }
                    if function < 4u * RBF_MATRICES {
                        put_parts(t * BASIS_STRIDE + function, value);
                        put_parts(BASIS_SLOPES + t * BASIS_STRIDE + function, unscale.w * slope);
                    }
                }
                workgroupBarrier();
                // filter0 B, without its bias, and s' = filter0 B'
                var sum = Sum();
                var rest = Sum();
                // unroll
                for (var k = 0u; k < RBF_MATRICES; k++) {
                    let at = half * BASIS_SLOPES + 4u * k;
                    sum = multiply_add(rows_at(at, BASIS_STRIDE), into[k], sum, lane);
                    rest = multiply_add(rows_at(LOW + at, BASIS_STRIDE), into[k], rest, lane);
                }
                sum = plus(sum, rest);
                put(sum, half * SUM_SLOPES + 4u * column, lane);
                workgroupBarrier();
                // Loaded early, to hide the latency of memory.
                var their_y: array<vec4<f32>, PER_LANE>;
                var their_m: array<vec4<f32>, PER_LANE>;
                // unroll
                for (var k = 0u; k < PER_LANE; k++) {
                    let t = lane / 32u + k * SUBGROUPS;
                    their_y[k] = vec4<f32>(0.0);
                    their_m[k] = vec4<f32>(0.0);
                    if done + t < found && q < QUADS {
                        let j = edges[(done + t) % SLOTS].w;
                        their_y[k] = y[j * QUADS + q];
                        their_m[k] = grad_m[j * QUADS + q];
                    }
                }
                // act(s) and act'(s) s'
                if q < 4u * FILTER_MATRICES {
                    // unroll
                    for (var k = 0u; k < PER_LANE; k++) {
                        let t = lane / 32u + k * SUBGROUPS;
                        let s = fma(sums[t * SUM_STRIDE + q], vec4<f32>(unscale.x), bias);
                        let ds = unscale.x * sums[SUM_SLOPES + t * SUM_STRIDE + q];
                        rows[t * HIDDEN_STRIDE + q] = vec4<f16>(act_near(s));
                        rows[HIDDEN_SLOPES + t * HIDDEN_STRIDE + q] =
                            vec4<f16>(act_slope_near(s) * ds);
                    }
                }
                workgroupBarrier();
                // G = filter1 act(s) and G' = filter1 (act'(s) s')
                sum = Sum();
                // unroll
                for (var k = 0u; k < FILTER_MATRICES; k++) {
                    let x = rows_at(half * HIDDEN_SLOPES + 4u * k, HIDDEN_STRIDE);
                    sum = multiply_add(x, out[k], sum, lane);
                }
                put(sum, half * SUM_SLOPES + 4u * column, lane);
                workgroupBarrier();
                // unroll
                for (var k = 0u; k < PER_LANE; k++) {
                    let t = lane / 32u + k * SUBGROUPS;
                    if done + t < found {
                        let envelope = factors[(done + t) % SLOTS];
                        let unit = bitcast<vec3<f32>>(edges[(done + t) % SLOTS].xyz);
                        let at = t * SUM_STRIDE + min(q, QUADS - 1u);
                        let g = unscale.y * sums[at];
                        let dg = unscale.z * sums[SUM_SLOPES + at];
                        gradient = fma(envelope.x * g, their_m[k], gradient);
                        let dw = envelope.y * g + envelope.x * dg;
                        let pull = dot(dw, their_y[k] * mine_m + mine_y * their_m[k]);
                        push = fma(vec3<f32>(-pull), unit, push);
                    }
                }
            }
        }
        workgroupBarrier();
        sums[lane] = gradient;
        sums[WORKGROUP + lane] = vec4<f32>(push, 0.0);
        workgroupBarrier();
        let first_sum = lane / 32u * WORKGROUP + q;
        var total = vec4<f32>(0.0);
        if lane < 64u {
            // The first subgroup sums the gradient, the second the force.
            for (var s = 0u; s < SUBGROUPS; s++) {
                total += sums[32u * s + first_sum];
            }
        }
        if lane < QUADS && i < params.n_beads {
            grad_y[i * QUADS + lane] = total;
        }
        workgroupBarrier();
        if lane / 32u == 1u {
            sums[q] = total;
        }
        workgroupBarrier();
        if lane < 4u {
            total = vec4<f32>(0.0);
            for (var k = 0u; k < 32u; k += 4u) {
                total += sums[lane + k];
            }
        }
        workgroupBarrier();
        if lane < 4u {
            sums[lane] = total;
        }
        workgroupBarrier();
        if lane == 0u && i < params.n_beads {
            force[slow(i)] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }
}
