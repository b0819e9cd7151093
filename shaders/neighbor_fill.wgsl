// neighbor_fill -- the senders of each row of the CSR neighbor list, in ascending order
//
//   col[row_i] = { j != i : |x_i - x_j| < radius + skin }
//
// reads   replica [n_replicas], bead, position [n_beads] Å, row [n_beads], status [n_replicas]
// writes  col [n_replicas, capacity], built_at [n_beads] Å   of the replicas that rebuild
// grid    one invocation per bead
// twin    src/reference/neighbor.rs
#import params

const WORKGROUP: u32 = 64u;
// (radius + skin)^2, Å^2
const LIST2: f32 = 256.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> status: array<u32>;
@group(0) @binding(5) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> col: array<u32>;
@group(0) @binding(7) var<storage, read_write> built_at: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn neighbor_fill(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i >= params.n_beads {
        return;
    }
    let r = bead[i].replica;
    if status[r * STATUS_WORDS + STATUS_REBUILD] == 0u {
        return;
    }
    let first = bead[i].first;
    let x = position[i].xyz;
    built_at[i] = position[i];
    var at = row[i].x;
    for (var j = first; j < first + replica[r].y; j++) {
        let separation = x - position[j].xyz;
        if j != i && dot(separation, separation) < LIST2 && at < row[i].y {
            col[at] = j;
            at += 1u;
        }
    }
}
