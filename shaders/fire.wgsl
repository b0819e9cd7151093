// fire -- one step of energy minimization of each replica (FIRE 2.0, `engine::Minimization`)
//
//   P = F.v over the beads of the replica, masses 1
//   P > 0: h and a change after PATIENCE steps; else x -= h/2 v, h shrinks, a = MIXING, v = 0
//   v += h F;  v = (1 - a) v + a |v| F/|F|;  |v| is cut to REACH/h;  x += h v
//
// F is the sum of all forces, with components within MOST_FORCE. A replica stops, and stays where it
// is, when its largest force is within the tolerance, no step is left, or a force is not finite.
//
// reads   replica [n_replicas] (first bead, beads, number, -), force [2, n_beads] kcal/mol/Å, or [3, n_beads]
//         with HAS_BIAS, walker [n_replicas] (origin)
// writes  position [n_beads] Å, velocity [n_beads] (xyz; w stays), descent [n_replicas]
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/engine/minimize.rs
#import params
#import walker
#import grid
#import acting
#import descent

const WORKGROUP: u32 = 64u;
// The numbers of FIRE, `engine::minimize::Fire`.
const LEAST_STEP: f32 = 0.001;
const MOST_STEP: f32 = 0.03;
const GROWTH: f32 = 1.1;
const SHRINKAGE: f32 = 0.5;
const PATIENCE: u32 = 20u;
const MIXING: f32 = 0.25;
const MIXING_DECAY: f32 = 0.99;
const REACH: f32 = 0.1;
const MOST_FORCE: f32 = 1e9;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> force: array<vec4<f32>>;
// Only read; atomics need read_write.
@group(0) @binding(3) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(4) var<storage, read_write> position: array<Position>;
@group(0) @binding(5) var<storage, read_write> velocity: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> descent: array<Descent>;

// F.v, |F|^2, |v|^2, and the largest |F|^2 of a bead.
var<workgroup> part: array<vec4<f32>, WORKGROUP>;
// The lowest bead whose force is not finite, or NO_BEAD.
var<workgroup> broken: array<u32, WORKGROUP>;

// The force on bead i, cut so that f32 holds the sum of squares.
fn limited(i: u32) -> vec3<f32> {
    let f = acting(i).xyz;
    let largest = max(max(abs(f.x), abs(f.y)), abs(f.z));
    return select(f, (MOST_FORCE / largest) * f, largest > MOST_FORCE);
}

@compute @workgroup_size(WORKGROUP)
fn fire(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid);
    let inside = r < params.n_replicas;
    let own = replica[min(r, params.n_replicas - 1u)];
    var now = descent[min(r, params.n_replicas - 1u)];
    let is_running = inside && now.status == RUNNING;
    var sums = vec4<f32>(0.0);
    var bad = NO_BEAD;
    if is_running {
        for (var k = lane; k < own.y; k += WORKGROUP) {
            let i = own.x + k;
            if any_broken(acting(i).xyz) {
                bad = min(bad, k);
            }
            let f = limited(i);
            let v = velocity[i].xyz;
            let square = dot(f, f);
            sums = vec4<f32>(sums.xyz + vec3<f32>(dot(f, v), square, dot(v, v)), max(sums.w, square));
        }
    }
    part[lane] = sums;
    broken[lane] = bad;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            let a = part[lane];
            let b = part[lane + stride];
            part[lane] = vec4<f32>(a.xyz + b.xyz, max(a.w, b.w));
            broken[lane] = min(broken[lane], broken[lane + stride]);
        }
        workgroupBarrier();
    }
    if !is_running {
        return;
    }
    let power = part[0].x;
    let force2 = part[0].y;
    let speed2 = part[0].z;
    now.largest2 = part[0].w;
    if broken[0] != NO_BEAD {
        now.status = BROKEN;
        now.bead = broken[0];
    } else if now.largest2 <= now.tolerance2 {
        now.status = CONVERGED;
    } else if now.steps_left == 0u {
        now.status = EXHAUSTED;
    }
    if now.status == RUNNING {
        let back = 0.5 * now.step;
        let is_downhill = power > 0.0;
        if is_downhill {
            now.good += 1u;
            if now.good > PATIENCE {
                now.step = min(GROWTH * now.step, MOST_STEP);
                now.mixing *= MIXING_DECAY;
            }
        } else {
            now.good = 0u;
            now.mixing = MIXING;
            if speed2 > 0.0 {
                now.step = max(SHRINKAGE * now.step, LEAST_STEP);
            }
        }
        now.steps_left -= 1u;
        let h = now.step;
        let kept = select(0.0, 1.0, is_downhill);
        let next2 = kept * (speed2 + 2.0 * h * power) + h * h * force2;
        let along = now.mixing * sqrt(next2 / force2);
        for (var k = lane; k < own.y; k += WORKGROUP) {
            let i = own.x + k;
            let f = limited(i);
            let v = velocity[i];
            var next = (1.0 - now.mixing) * (kept * v.xyz + h * f) + along * f;
            let length = h * sqrt(dot(next, next));
            if length > REACH {
                next *= REACH / length;
            }
            let moved = moved_by(position[i], h * next - ((1.0 - kept) * back) * v.xyz);
            if may_be_at(moved, walker[r].origin) {
                position[i] = moved;
                velocity[i] = vec4<f32>(next, v.w);
            }
        }
    }
    if lane == 0u {
        descent[r] = now;
    }
}
