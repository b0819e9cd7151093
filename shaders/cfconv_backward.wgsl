// cfconv_backward -- the adjoint of cfconv_forward, by receiver rows ("flash aggregation",
//                    backward)
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// with rhat_ij = (x_i - x_j) / d_ij. The graph and W are symmetric, so each row gathers its own
// results and nothing is scattered. The kernel sums over channels once per row, not once per edge.
//
// reads   row [n_beads], col, position [n_beads] Å, y and grad_m [n_beads, STRIDE],
//         weights as in cfconv_forward
// writes  grad_y [n_beads, STRIDE]   overwritten; force [2, n_beads]   slow range: added to
// grid    one workgroup per bead; an invocation computes the same channels over the whole row
// twin    src/reference/cfconv.rs
#import params
#import radial
#import separation
#import activation

const WORKGROUP: u32 = 64u;
const N_FILTERS: u32 = 128u;
// Channels of a row in memory: N_FILTERS rounded up to a multiple of four.
const STRIDE: u32 = 128u;
const N_RBF: u32 = 64u;
// Edges of a tile in quads; edges of a tile; channels of an invocation.
const TILE_QUADS: u32 = 2u;
const TILE: u32 = 8u;
const CHANNELS: u32 = 2u;
const_assert TILE == 4u * TILE_QUADS;
const_assert WORKGROUP * CHANNELS >= N_FILTERS;
const_assert WORKGROUP >= TILE;

const BIAS: u32 = N_RBF * N_FILTERS;
const FILTER1: u32 = BIAS + N_FILTERS;
const BIAS1: u32 = FILTER1 + N_FILTERS * N_FILTERS;
const FUNCTIONS: u32 = BIAS1 + N_FILTERS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> y: array<f32>;
@group(0) @binding(5) var<storage, read> grad_m: array<f32>;
@group(0) @binding(6) var<storage, read> weights: array<f32>;
@group(0) @binding(7) var<storage, read_write> grad_y: array<f32>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> ends: vec2<u32>;
var<workgroup> edges: array<EdgeBasis, TILE>;
// C, C' of the edges of the tile; 0 where there is no neighbor.
var<workgroup> factor: array<vec2<f32>, TILE>;
var<workgroup> unit: array<vec3<f32>, TILE>;
var<workgroup> sender: array<u32, TILE>;
// Alternating values and slopes: the basis [function, 2, edge / 4] and the hidden layer
// [channel, 2, edge / 4].
var<workgroup> basis: array<vec4<f32>, N_RBF * 2u * TILE_QUADS>;
var<workgroup> hidden: array<vec4<f32>, N_FILTERS * 2u * TILE_QUADS>;
var<workgroup> part: array<vec3<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_backward(
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
    // unroll
    for (var c = 0u; c < CHANNELS; c++) {
        let f = c * WORKGROUP + lane;
        if f < N_FILTERS && i < params.n_beads {
            mine_y[c] = y[i * STRIDE + f];
            mine_m[c] = grad_m[i * STRIDE + f];
        }
    }
    var push = vec3<f32>(0.0);
    for (var tile = here.x; tile < here.y; tile += TILE) {
        if lane < TILE {
            factor[lane] = vec2<f32>(0.0);
            unit[lane] = vec3<f32>(0.0);
            sender[lane] = i;
            edges[lane] = EdgeBasis(vec2<f32>(0.0), vec2<f32>(0.0));
            if tile + lane < here.y {
                let j = col[tile + lane];
                let between = separation(position[i], position[j]);
                let d = length_of(between);
                if d < RADIUS {
                    sender[lane] = j;
                    factor[lane] = conv_envelope(d);
                    unit[lane] = unit_of(between, d);
                    edges[lane] = edge_basis(d);
                }
            }
        }
        workgroupBarrier();
        for (var at = lane; at < N_RBF * TILE_QUADS; at += WORKGROUP) {
            let k = at / TILE_QUADS;
            let q = at % TILE_QUADS;
            let function = vec2<f32>(weights[FUNCTIONS + 2u * k], weights[FUNCTIONS + 2u * k + 1u]);
            let a = radial_function(edges[q * 4u], function);
            let b = radial_function(edges[q * 4u + 1u], function);
            let c = radial_function(edges[q * 4u + 2u], function);
            let d = radial_function(edges[q * 4u + 3u], function);
            basis[(k * 2u) * TILE_QUADS + q] = vec4<f32>(a.x, b.x, c.x, d.x);
            basis[(k * 2u + 1u) * TILE_QUADS + q] = vec4<f32>(a.y, b.y, c.y, d.y);
        }
        workgroupBarrier();
        // s = filter0 B + b0 and s' = filter0 B'
        var sum: array<vec4<f32>, CHANNELS * TILE_QUADS>;
        var slope: array<vec4<f32>, CHANNELS * TILE_QUADS>;
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
            // unroll
            for (var q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = vec4<f32>(weights[BIAS + f]);
                slope[c * TILE_QUADS + q] = vec4<f32>(0.0);
            }
        }
        for (var k = 0u; k < N_RBF; k++) {
            // unroll
            for (var c = 0u; c < CHANNELS; c++) {
                let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                let w = vec4<f32>(weights[k * N_FILTERS + f]);
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    let at = c * TILE_QUADS + q;
                    sum[at] = fma(w, basis[(k * 2u) * TILE_QUADS + q], sum[at]);
                    slope[at] = fma(w, basis[(k * 2u + 1u) * TILE_QUADS + q], slope[at]);
                }
            }
        }
        // act(s) and act'(s) s'
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    let s = sum[c * TILE_QUADS + q];
                    let a = act_and_slope(s.x);
                    let b = act_and_slope(s.y);
                    let e = act_and_slope(s.z);
                    let g = act_and_slope(s.w);
                    hidden[(f * 2u) * TILE_QUADS + q] = vec4<f32>(a.x, b.x, e.x, g.x);
                    hidden[(f * 2u + 1u) * TILE_QUADS + q] =
                        vec4<f32>(a.y, b.y, e.y, g.y) * slope[c * TILE_QUADS + q];
                }
            }
        }
        workgroupBarrier();
        // G = filter1 act(s) + b1 and G' = filter1 (act'(s) s')
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
            // unroll
            for (var q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = vec4<f32>(weights[BIAS1 + f]);
                slope[c * TILE_QUADS + q] = vec4<f32>(0.0);
            }
        }
        for (var k = 0u; k < N_FILTERS; k++) {
            // unroll
            for (var c = 0u; c < CHANNELS; c++) {
                let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                let w = vec4<f32>(weights[FILTER1 + k * N_FILTERS + f]);
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    let at = c * TILE_QUADS + q;
                    sum[at] = fma(w, hidden[(k * 2u) * TILE_QUADS + q], sum[at]);
                    slope[at] = fma(w, hidden[(k * 2u + 1u) * TILE_QUADS + q], slope[at]);
                }
            }
        }
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    let g = sum[c * TILE_QUADS + q];
                    let dg = slope[c * TILE_QUADS + q];
                    for (var t = 0u; t < 4u; t++) {
                        let edge = q * 4u + t;
                        let envelope = factor[edge];
                        let w = envelope.x * g[t];
                        let dw = fma(envelope.y, g[t], envelope.x * dg[t]);
                        let at = sender[edge] * STRIDE + f;
                        let their_m = grad_m[at];
                        gradient[c] = fma(w, their_m, gradient[c]);
                        let pull = dw * fma(y[at], mine_m[c], mine_y[c] * their_m);
                        push = fma(vec3<f32>(-pull), unit[edge], push);
                    }
                }
            }
        }
        workgroupBarrier();
    }
    if i < params.n_beads {
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                grad_y[i * STRIDE + f] = gradient[c];
            }
        }
    }
    part[lane] = push;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            part[lane] += part[lane + stride];
        }
        workgroupBarrier();
    }
    if lane == 0u && i < params.n_beads {
        force[slow(i)] += vec4<f32>(part[0], 0.0);
    }
}
