// neighbor_count -- the number of list neighbors of each bead, for replicas that rebuild
//
//   count_i = |{ j != i : |x_i - x_j| < radius + skin }|
//
// reads   replica [n_replicas], bead, position [n_beads] Å, status [n_replicas]   rebuild
// writes  count [n_beads]
// grid    one workgroup per ROWS beads; the sums are of integers, so their order does not matter
// twin    src/reference/neighbor.rs
#import params
#import separation

const WORKGROUP: u32 = 32u;
// Beads of a workgroup, processed one after the other: most workgroups have nothing to do.
const ROWS: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> status: array<u32>;
@group(0) @binding(5) var<storage, read_write> count: array<u32>;

// Beads to check: all of the replica, or none if it does not rebuild.
var<workgroup> beads: u32;
var<workgroup> near: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn neighbor_count(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var k = 0u; k < ROWS; k++) {
        let i = workgroup_number(id, grid) * ROWS + k;
        if lane == 0u {
            beads = 0u;
            if i < params.n_beads {
                let r = bead[i].replica;
                if status[r * STATUS_WORDS + STATUS_REBUILD] != 0u {
                    beads = replica[r].y;
                }
            }
            atomicStore(&near, 0u);
        }
        let n = workgroupUniformLoad(&beads);
        if n == 0u {
            continue;
        }
        let me = bead[i];
        let x = position[i];
        var my_near = 0u;
        for (var j = me.first + lane; j < me.first + n; j += WORKGROUP) {
            let between = separation(x, position[j]);
            my_near += select(0u, 1u, j != i && square_of(between) < params.list2);
        }
        atomicAdd(&near, my_near);
        workgroupBarrier();
        if lane == 0u {
            count[i] = atomicLoad(&near);
        }
    }
}
