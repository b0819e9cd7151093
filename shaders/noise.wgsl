// noise -- the standard normal numbers of a step
//
//   xi = normal3(counter (bead, replica, step), key seed)
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead [n_beads], step_count
// writes  xi [n_beads]   overwritten
// grid    one invocation per bead
// twin    src/random.rs
#import params
#import random

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> step_count: array<u32>;
@group(0) @binding(4) var<storage, read_write> xi: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn noise(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i >= params.n_beads {
        return;
    }
    let number = replica[bead[i].replica].z;
    let counter = vec4<u32>(i - bead[i].first, number, step_count[0], step_count[1]);
    xi[i] = vec4<f32>(normal3(counter, vec2<u32>(params.seed_low, params.seed_high)), 0.0);
}
