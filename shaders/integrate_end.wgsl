// integrate_end -- the part of a step after the force evaluation
//
//   v += h/2 F/m (not in overdamped dynamics);  step_count += 1
//
// F is the fast force plus SLOW_WEIGHT times the slow force, plus the bias force if HAS_BIAS. A force
// or a kinetic energy that exceeds its limit or is not finite raises an alarm. A velocity that would
// not be finite stays. Replicas that froze before this step stay as they are.
//
// reads   bead, force [2, n_beads], or [3, n_beads] if HAS_BIAS, kcal/mol/Å, w: energy
// writes  velocity [n_beads] Å/ps, step_count (low and high word), walker [n_replicas] (alarm)
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params
#import math
#import walker
#import acting

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> step_count: array<u32>;
@group(0) @binding(5) var<storage, read_write> walker: array<Walker>;

fn exceeds(x: f32, limit: f32) -> bool {
    return is_broken(x) || x > limit;
}

@compute @workgroup_size(WORKGROUP)
fn integrate_end(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i == 0u {
        step_count[0] += 1u;
        if step_count[0] == 0u {
            step_count[1] += 1u;
        }
    }
    if i >= params.n_beads {
        return;
    }
    let me = bead[i];
    if (walker[me.replica].frozen_low | walker[me.replica].frozen_high) != 0u {
        return;
    }
    let total = acting(i);
    var reason = NO_ALARM;
    if params.integrator == LANGEVIN || params.integrator == NVE {
        let w = velocity[i].w;
        let v = velocity[i].xyz + (0.5 * params.dt * w) * total.xyz;
        if exceeds(0.5 * dot(v, v) / (w * walker[me.replica].kt), params.max_kinetic) {
            reason = KINETIC;
        }
        if !(is_broken(v.x) || is_broken(v.y) || is_broken(v.z)) {
            velocity[i] = vec4<f32>(v, w);
        }
    }
    if exceeds(dot(total.xyz, total.xyz), params.max_force2) || is_broken(total.w) {
        reason = FORCE;
    }
    if reason != NO_ALARM {
        atomicMin(&walker[me.replica].alarm, alarm_of(i - me.first, reason));
    }
}
