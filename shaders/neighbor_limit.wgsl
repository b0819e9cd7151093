// neighbor_limit -- whether a bead has more neighbors than the model allows
//
//   n_i = |{ j in row i : |x_i - x_j| < radius }|
//   crowded[r] = max of crowd(i, n_i - max_neighbors) over the beads i of replica r
//                with n_i > max_neighbors
//
// For exact filters only: with tabulated filters, edges makes the same check.
//
// reads   bead, row [n_beads], col, position [n_beads] Å
// writes  status [n_replicas]   crowded
// grid    one workgroup per row
// twin    src/reference/network.rs
#import params
#import math
#import separation

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> col: array<u32>;
@group(0) @binding(4) var<storage, read> position: array<Position>;
@group(0) @binding(5) var<storage, read_write> status: array<atomic<u32>>;

var<workgroup> within: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn neighbor_limit(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid);
    if lane == 0u {
        atomicStore(&within, 0u);
    }
    workgroupBarrier();
    if i < params.n_beads {
        let x = position[i];
        var mine = 0u;
        for (var e = row[i].x + lane; e < row[i].y; e += WORKGROUP) {
            mine += select(0u, 1u, length_of(separation(x, position[col[e]])) < params.radius);
        }
        atomicAdd(&within, mine);
    }
    workgroupBarrier();
    let n = atomicLoad(&within);
    if lane == 0u && i < params.n_beads && n > params.max_neighbors {
        let me = bead[i];
        atomicMax(&status[me.replica * STATUS_WORDS + STATUS_CROWDED], crowd(i - me.first, n - params.max_neighbors));
    }
}
