// anneal -- the temperature of the next step, where it changes with the step
//
//   kT = kT_a + (kT_b - kT_a) (step - a) / (b - a) between the points a and b of the ramp;
//   that of the first point before it, and of the last point after it
//
// A replica with an alarm keeps its temperature.
//
// reads   ramp [N_POINTS] (kT, kcal/mol; see lib/ramp), step_count
// writes  walker [n_replicas] (kT)
// grid    one invocation per replica
// twin    src/ramp.rs
#import params
#import walker
#import ramp

const WORKGROUP: u32 = 64u;
const N_POINTS: u32 = 2u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ramp: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> step_count: array<u32>;
@group(0) @binding(3) var<storage, read_write> walker: array<Walker>;

@compute @workgroup_size(WORKGROUP)
fn anneal(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid) * WORKGROUP + lane;
    if r >= params.n_replicas || atomicLoad(&walker[r].alarm) != NO_ALARM {
        return;
    }
    walker[r].kt = ramp_at(0u, N_POINTS, vec2<u32>(step_count[0], step_count[1]));
}
