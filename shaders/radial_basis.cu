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
// grid    one block per row; the distances of a tile of edges are in shared memory
// twin    radial_basis.wgsl, src/model/filter.rs
#import params
#import radial
#import separation

constexpr u32 WORKGROUP = 64u;
constexpr u32 N_RBF = 64u;
constexpr u32 TILE = 16u;
static_assert(WORKGROUP >= TILE);

__shared__ EdgeBasis edges[TILE];

extern "C" __global__ void __launch_bounds__(WORKGROUP) radial_basis(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
    const float2* __restrict__ function,
    float* __restrict__ distance,
    float2* __restrict__ basis) {
    const u32 lane = threadIdx.x;
    const u32 i = workgroup_number();
    if (i >= params->n_beads) {
        return;
    }
    const uint2 here = row[i];
    for (u32 tile = here.x; tile < here.y; tile += TILE) {
        const u32 edge = tile + lane;
        if (lane < TILE && edge < here.y) {
            const float d = length_of(separation(position[i], position[col[edge]]));
            distance[edge] = d;
            edges[lane] = edge_basis(d);
        }
        __syncthreads();
        for (u32 k = lane; k < TILE * N_RBF; k += WORKGROUP) {
            const u32 t = k / N_RBF;
            if (tile + t < here.y) {
                basis[(tile + t) * N_RBF + k % N_RBF] =
                    radial_function(edges[t], function[k % N_RBF]);
            }
        }
        __syncthreads();
    }
}
