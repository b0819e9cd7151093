// anneal -- the temperature of the next step, where it changes with the step
//
//   kT = kT_a + (kT_b - kT_a) (step - a) / (b - a) between the points a and b of the ramp;
//   that of the first point before it, and of the last point after it
//
// A replica with an alarm keeps its temperature.
//
// reads   ramp [N_POINTS] (step, low and high word; bits of kT, kcal/mol; -), step_count
// writes  walker [n_replicas] (kT)
// grid    one invocation per replica
// twin    src/engine/anneal.rs
#import params
#import walker

const WORKGROUP: u32 = 64u;
const N_POINTS: u32 = 2u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ramp: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> step_count: array<u32>;
@group(0) @binding(3) var<storage, read_write> walker: array<Walker>;

fn is_at_least(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

// a - b for a >= b.
fn difference(a: vec2<u32>, b: vec2<u32>) -> f32 {
    let high = a.y - b.y - u32(a.x < b.x);
    return fma(f32(high), 4294967296.0, f32(a.x - b.x));
}

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
    let step = vec2<u32>(step_count[0], step_count[1]);
    // The last point that is reached, or the first one.
    var k = 0u;
    for (var n = 1u; n < N_POINTS; n++) {
        if is_at_least(step, ramp[n].xy) {
            k = n;
        }
    }
    let last = ramp[k];
    let next = ramp[min(k + 1u, N_POINTS - 1u)];
    let start = bitcast<f32>(last.z);
    var kt = start;
    if is_at_least(step, last.xy) && k + 1u < N_POINTS {
        let part = difference(step, last.xy) / difference(next.xy, last.xy);
        kt = fma(bitcast<f32>(next.z) - start, part, start);
    }
    walker[r].kt = kt;
}
