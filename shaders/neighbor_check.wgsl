// neighbor_check -- whether a replica's neighbor list must be rebuilt
//
//   rebuild[r] = max_i |x_i - x_i at the last build| > skin / 2
//
// reads   replica [n_replicas] (first bead, beads, number, -), position, built_at [n_beads] Å
// writes  status [n_replicas]   rebuild; broken = 1 + step at the first number that is not finite
// grid    one workgroup per replica
// twin    src/reference/neighbor.rs
#import params
#import math

const WORKGROUP: u32 = 64u;
// (skin / 2)^2, Å^2
const REACH2: f32 = 0.25;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> built_at: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> step_count: array<u32>;
@group(0) @binding(5) var<storage, read_write> status: array<u32>;

// Bit 0: moved too far, bit 1: not finite.
var<workgroup> found: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn neighbor_check(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid);
    var mine = 0u;
    if r < params.n_replicas {
        let first = replica[r].x;
        for (var k = lane; k < replica[r].y; k += WORKGROUP) {
            let x = position[first + k].xyz;
            let moved = x - built_at[first + k].xyz;
            if !(dot(moved, moved) <= REACH2) {
                mine |= 1u;
            }
            if is_broken(x.x) || is_broken(x.y) || is_broken(x.z) {
                mine |= 2u;
            }
        }
    }
    found[lane] = mine;
    workgroupBarrier();
    if lane == 0u && r < params.n_replicas {
        var all = 0u;
        for (var k = 0u; k < WORKGROUP; k++) {
            all |= found[k];
        }
        let at = r * STATUS_WORDS;
        status[at + STATUS_REBUILD] = all & 1u;
        if (all & 2u) != 0u && status[at + STATUS_BROKEN] == 0u {
            status[at + STATUS_BROKEN] = step_count[0] + 1u;
        }
        if (all & 1u) != 0u {
            status[at + STATUS_BUILDS] += 1u;
        }
    }
}
