// reduce_force -- computes forces from the pulls of every row, F_i = -sum_j rhat_ij pull_ij
//
// reads   reach [n_beads], edge and pull [n_edges], position [n_beads] Å
// writes  force [2, n_beads]   slow: overwritten
// grid    32 invocations per row; each takes one edge at a time
#import common
#import edge

@group(0) @binding(0) var<storage, read> reach: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> pull: array<f32>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read_write> force: array<vec4<f32>>;

const SHARE: u32 = 32u;

var<workgroup> part: array<vec3<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn reduce_force(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = element(id, grid, lane) / SHARE;
    let mine = lane % SHARE;
    let inside = i < arrayLength(&reach);
    var sum = vec3<f32>(0.0);
    if inside {
        let here = reach[i];
        for (var e = here.x + mine; e < here.y; e += SHARE) {
            sum -= pull[e] * direction(position[i], position[sender(0u, edge[e])]);
        }
    }
    part[lane] = sum;
    workgroupBarrier();
    for (var stride = SHARE / 2u; stride > 0u; stride /= 2u) {
        if mine < stride {
            part[lane] += part[lane + stride];
        }
        workgroupBarrier();
    }
    if inside && mine == 0u {
        force[arrayLength(&reach) + i] = vec4<f32>(part[lane], 0.0);
    }
}
