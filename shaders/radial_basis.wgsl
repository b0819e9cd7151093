// radial_basis -- distance, radial functions and envelope of every edge in one pass
//                 ("flash radial basis")
//
//   B_k(d) = C(d) exp(-sharpness_k (t(d) - center_k)^2), and its slope
//
// This is the unfused form, for tests and ablation. The cfconv kernels fuse the same functions from
// lib/radial and write none of their values to GPU memory.
//
// reads   row [n_beads], col, position [n_beads] Å, function [N_RBF] (center, sharpness)
// writes  distance [n_edges] Å, basis [n_edges, N_RBF] (value, slope)
// grid    one workgroup per row; the distances of a tile of edges are in workgroup memory
// twin    src/model/filter.rs
#import params
#import radial
#import separation

const WORKGROUP: u32 = 64u;
const N_RBF: u32 = 64u;
const TILE: u32 = 16u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> function: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> distance: array<f32>;
@group(0) @binding(6) var<storage, read_write> basis: array<vec2<f32>>;

var<workgroup> edges: array<EdgeBasis, TILE>;
var<workgroup> ends: vec2<u32>;

@compute @workgroup_size(WORKGROUP)
fn radial_basis(
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
    for (var tile = here.x; tile < here.y; tile += TILE) {
        let edge = tile + lane;
        if lane < TILE && edge < here.y {
            let d = length_of(separation(position[i], position[col[edge]]));
            distance[edge] = d;
            edges[lane] = edge_basis(d);
        }
        workgroupBarrier();
        for (var k = lane; k < TILE * N_RBF; k += WORKGROUP) {
            let t = k / N_RBF;
            if tile + t < here.y {
                basis[(tile + t) * N_RBF + k % N_RBF] =
                    radial_function(edges[t], function[k % N_RBF]);
            }
        }
        workgroupBarrier();
    }
}
