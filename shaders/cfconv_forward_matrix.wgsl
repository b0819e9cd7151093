// cfconv_forward_matrix -- cfconv_forward with the filter networks on tensor cores
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W = C(d) filter1 act(filter0 B(d) + b0)
//
// Weights and the hidden layer are f16. Each value of the basis is the sum of two f16, because sums
// of the first layer are small remainders of much larger terms. Products are summed in f32. A
// subgroup holds its columns of both layers in registers for all rows of its workgroup. The kernel
// first collects the neighbors of a row that are within the cutoff, then processes TILE of them at
// a time; each half of the subgroups multiplies one matrix of edges.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, quads of filters],
//         halves: matrices of filter0, then of filter1, each layer times a power of two,
//         numbers: 1 / these powers; bias of filter0; alternating quads of centers and of
//         sharpnesses
// writes  m [n_beads, quads of filters]   overwritten; no atomics on floats; each subgroup sums
//         every SUBGROUPS-th neighbor within the cutoff in order, then the sums of the subgroups
//         are added in order
// grid    one workgroup per ROWS beads; a subgroup gathers an edge, an invocation a quad of
//         channels
// twin    src/reference/cfconv.rs
#import params
#import near
#import separation
#import matrix
#import filter_matrix

// Edges of a tile: two matrices of 16.
const TILE: u32 = 32u;
const PER_LANE: u32 = 2u;
const_assert PER_LANE * SUBGROUPS == TILE && TILE == 32u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> halves: array<vec4<f16>>;
@group(0) @binding(6) var<storage, read> numbers: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> m: array<vec4<f32>>;

// A bit for each entry of a segment that is within the cutoff.
var<workgroup> near: array<atomic<u32>, WORDS>;
// Neighbor r is in slot r % SLOTS: index of the sender; bits of C of the convolution, of C of the
// basis, and of t.
var<workgroup> edges: array<vec4<u32>, SLOTS>;
// First the basis [edge, function] and its low parts, then in the same place the hidden layer
// [edge, channel].
var<workgroup> rows: array<vec4<f16>, ROWS_SIZE>;
// The sums of one layer at a time [edge, channel], at the end the sums of all invocations.
var<workgroup> sums: array<vec4<f32>, max(TILE * SUM_STRIDE, WORKGROUP)>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_forward_matrix(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = lane % 32u;
    // Each half of the subgroups takes one of the two matrices of edges.
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
    let unscale = numbers[0].xy;
    let bias = numbers[BIAS + min(q, 4u * FILTER_MATRICES - 1u)];
    let function = lane % BASIS_LANES;
    let center = numbers[FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u)];
    let sharpness = numbers[FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u) + 1u];

    for (var r = 0u; r < ROWS; r++) {
        let i = workgroup_number(id, grid) * ROWS + r;
        var here = vec2<u32>(0u);
        if i < params.n_beads {
            here = row[i];
        }
        var message = vec4<f32>(0.0);
        var found = 0u;
        var done = 0u;
        for (var first = here.x; first < here.y; first += SEGMENT) {
            if lane < WORDS {
                atomicStore(&near[lane], 0u);
            }
            workgroupBarrier();
            var edge = vec4<u32>(0u);
            var d = RADIUS;
            if lane < SEGMENT && first + lane < here.y {
                edge.x = col[first + lane];
                d = length_of(separation(position[i], position[edge.x]));
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
                edge.y = bitcast<u32>(conv_envelope(d).x);
                edge.z = bitcast<u32>(of_basis.envelope.x);
                edge.w = bitcast<u32>(of_basis.coordinate.x);
                edges[at % SLOTS] = edge;
            }
            workgroupBarrier();
            let last = first + SEGMENT >= here.y;
            for (; done + TILE <= found || (last && done < found); done += TILE) {
                for (var t = lane / BASIS_LANES; t < TILE; t += WORKGROUP / BASIS_LANES) {
                    var value = vec4<f32>(0.0);
                    if done + t < found {
                        let basis = bitcast<vec2<f32>>(edges[(done + t) % SLOTS].zw);
                        value = radial_near(basis.x, basis.y, center, sharpness);
                    }
                    if function < 4u * RBF_MATRICES {
                        put_parts(t * BASIS_STRIDE + function, value);
                    }
                }
                workgroupBarrier();
                var sum = Sum();
                var rest = Sum();
                // unroll
                for (var k = 0u; k < RBF_MATRICES; k++) {
                    let at = half * 16u * BASIS_STRIDE + 4u * k;
                    sum = multiply_add(rows_at(at, BASIS_STRIDE), into[k], sum, lane);
                    rest = multiply_add(rows_at(LOW + at, BASIS_STRIDE), into[k], rest, lane);
                }
                sum = plus(sum, rest);
                put(sum, half * 16u * SUM_STRIDE + 4u * column, lane);
                workgroupBarrier();
                // Loaded early, to hide the latency of memory.
                var factor: array<f32, PER_LANE>;
                var theirs: array<vec4<f32>, PER_LANE>;
                // unroll
                for (var k = 0u; k < PER_LANE; k++) {
                    let t = lane / 32u + k * SUBGROUPS;
                    factor[k] = 0.0;
                    theirs[k] = vec4<f32>(0.0);
                    if done + t < found {
                        let edge = edges[(done + t) % SLOTS];
                        factor[k] = unscale.y * bitcast<f32>(edge.y);
                        theirs[k] = y[edge.x * QUADS + min(q, QUADS - 1u)];
                    }
                }
                if q < 4u * FILTER_MATRICES {
                    // unroll
                    for (var k = 0u; k < PER_LANE; k++) {
                        let t = lane / 32u + k * SUBGROUPS;
                        let s = fma(sums[t * SUM_STRIDE + q], vec4<f32>(unscale.x), bias);
                        rows[t * HIDDEN_STRIDE + q] = vec4<f16>(act_near(s));
                    }
                }
                workgroupBarrier();
                sum = Sum();
                // unroll
                for (var k = 0u; k < FILTER_MATRICES; k++) {
                    let x = rows_at(half * 16u * HIDDEN_STRIDE + 4u * k, HIDDEN_STRIDE);
                    sum = multiply_add(x, out[k], sum, lane);
                }
                put(sum, half * 16u * SUM_STRIDE + 4u * column, lane);
                workgroupBarrier();
                // unroll
                for (var k = 0u; k < PER_LANE; k++) {
                    let t = lane / 32u + k * SUBGROUPS;
                    let g = sums[t * SUM_STRIDE + min(q, QUADS - 1u)];
                    message = fma(factor[k] * g, theirs[k], message);
                }
            }
        }
        workgroupBarrier();
        sums[lane] = message;
        workgroupBarrier();
        if lane < QUADS && i < params.n_beads {
            var total = vec4<f32>(0.0);
            for (var s = 0u; s < SUBGROUPS; s++) {
                total += sums[32u * s + lane];
            }
            m[i * QUADS + lane] = total;
        }
    }
}
