// cfconv_forward -- sum of filtered neighbor features per bead ("flash message passing",
//                   "flash aggregation")
//
//   m_if = sum_{j in row i} y_jf W_f(d_ij),  W = C(d) (filter1 act(filter0 B(d) + b0) + b1)
//
// The filters of a tile of edges stay in workgroup memory and registers; the kernel writes no
// feature of an edge to GPU memory. Weight matrices are stored column by column.
//
// reads   row [n_beads], col, position [n_beads] Å, y [n_beads, STRIDE],
//         weights: columns of filter0, its bias, columns of filter1, its bias or zeros,
//         (center, sharpness) of the N_RBF functions
// writes  m [n_beads, STRIDE]   overwritten; no atomics; summation order = order of the row
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
const TILE_QUADS: u32 = 4u;
const TILE: u32 = 16u;
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
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> m: array<f32>;

var<workgroup> ends: vec2<u32>;
var<workgroup> edges: array<EdgeBasis, TILE>;
// C(d) of the edges of the tile; 0 where there is no neighbor.
var<workgroup> factor: array<f32, TILE>;
var<workgroup> sender: array<u32, TILE>;
// The basis [function, edge / 4] and the hidden layer [channel, edge / 4].
var<workgroup> basis: array<vec4<f32>, N_RBF * TILE_QUADS>;
var<workgroup> hidden: array<vec4<f32>, N_FILTERS * TILE_QUADS>;

@compute @workgroup_size(WORKGROUP)
fn cfconv_forward(
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
    for (var tile = here.x; tile < here.y; tile += TILE) {
        if lane < TILE {
            factor[lane] = 0.0;
            sender[lane] = i;
            // No edge: the envelopes are 0 and every function is finite.
            edges[lane] = EdgeBasis(vec2<f32>(0.0), vec2<f32>(0.0));
            if tile + lane < here.y {
                let j = col[tile + lane];
                let d = length_of(separation(position[i], position[j]));
                if d < RADIUS {
                    sender[lane] = j;
                    factor[lane] = conv_envelope(d).x;
                    edges[lane] = edge_basis(d);
                }
            }
        }
        workgroupBarrier();
        for (var at = lane; at < N_RBF * TILE_QUADS; at += WORKGROUP) {
            let k = at / TILE_QUADS;
            let t = at % TILE_QUADS * 4u;
            let function = vec2<f32>(weights[FUNCTIONS + 2u * k], weights[FUNCTIONS + 2u * k + 1u]);
            basis[at] = vec4<f32>(
                radial_function(edges[t], function).x,
                radial_function(edges[t + 1u], function).x,
                radial_function(edges[t + 2u], function).x,
                radial_function(edges[t + 3u], function).x,
            );
        }
        workgroupBarrier();
        var sum: array<vec4<f32>, CHANNELS * TILE_QUADS>;
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
            // unroll
            for (var q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = vec4<f32>(weights[BIAS + f]);
            }
        }
        for (var k = 0u; k < N_RBF; k++) {
            // unroll
            for (var c = 0u; c < CHANNELS; c++) {
                let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                let w = vec4<f32>(weights[k * N_FILTERS + f]);
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    sum[c * TILE_QUADS + q] = fma(w, basis[k * TILE_QUADS + q], sum[c * TILE_QUADS + q]);
                }
            }
        }
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = c * WORKGROUP + lane;
            if f < N_FILTERS {
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    let s = sum[c * TILE_QUADS + q];
                    hidden[f * TILE_QUADS + q] = vec4<f32>(act(s.x), act(s.y), act(s.z), act(s.w));
                }
            }
        }
        workgroupBarrier();
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
            // unroll
            for (var q = 0u; q < TILE_QUADS; q++) {
                sum[c * TILE_QUADS + q] = vec4<f32>(weights[BIAS1 + f]);
            }
        }
        for (var k = 0u; k < N_FILTERS; k++) {
            // unroll
            for (var c = 0u; c < CHANNELS; c++) {
                let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
                let w = vec4<f32>(weights[FILTER1 + k * N_FILTERS + f]);
                // unroll
                for (var q = 0u; q < TILE_QUADS; q++) {
                    sum[c * TILE_QUADS + q] = fma(w, hidden[k * TILE_QUADS + q], sum[c * TILE_QUADS + q]);
                }
            }
        }
        // unroll
        for (var c = 0u; c < CHANNELS; c++) {
            let f = min(c * WORKGROUP + lane, N_FILTERS - 1u);
            // unroll
            for (var q = 0u; q < TILE_QUADS; q++) {
                let g = sum[c * TILE_QUADS + q];
                for (var t = 0u; t < 4u; t++) {
                    let edge = q * 4u + t;
                    let w = factor[edge] * g[t];
                    message[c] = fma(w, y[sender[edge] * STRIDE + f], message[c]);
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
                m[i * STRIDE + f] = message[c];
            }
        }
    }
}
