// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi;
//                     x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   overdamped        x += F b h + sqrt(2 kT b h) xi,  b h = mobility
//   as published      x += F kT b h + sqrt(2 kT b h) xi
//
// F is the fast force plus SLOW_WEIGHT times the slow force, plus the bias force if HAS_BIAS. xi is
// drawn as in the kernel noise if DRAWN, else read.
//
// A replica with an alarm does not move, and gets the step at which it froze. A bead whose next
// position would be beyond FARTHEST, or whose next position or velocity would not be finite, does
// not move either: it is marked, and neighbor_check raises the alarm, because this kernel reads it.
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead,
//         force [2, n_beads], or [3, n_beads] if HAS_BIAS, kcal/mol/Å,
//         xi [steps of an outer step, n_beads], step_count, walker [n_replicas] (origin, kT, alarm)
// writes  position [n_beads] Å, low.w: 1 if the bead is marked, velocity [n_beads] Å/ps, w: 1/mass,
//         walker (frozen)
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params
#import walker
#import random
#import grid
#import acting

const WORKGROUP: u32 = 64u;
// Whether this kernel draws xi.
const DRAWN: bool = true;
// The row of xi, if it is read.
const NOISE_ROW: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> xi: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> step_count: array<u32>;
@group(0) @binding(6) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(7) var<storage, read_write> position: array<Position>;
@group(0) @binding(8) var<storage, read_write> velocity: array<vec4<f32>>;

fn noise_of(i: u32, number: u32) -> vec3<f32> {
    if !DRAWN {
        return xi[NOISE_ROW * params.n_beads + i].xyz;
    }
    let counter = vec4<u32>(i - bead[i].first, number, step_count[0], step_count[1]);
    return normal3(counter, vec2<u32>(params.seed_low, params.seed_high));
}

@compute @workgroup_size(WORKGROUP)
fn integrate_begin(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i >= params.n_beads {
        return;
    }
    let r = bead[i].replica;
    if atomicLoad(&walker[r].alarm) != NO_ALARM {
        if i == bead[i].first && (walker[r].frozen_low | walker[r].frozen_high) == 0u {
            walker[r].frozen_low = step_count[0] + 1u;
            walker[r].frozen_high = step_count[1] + u32(step_count[0] == 0xffffffffu);
        }
        return;
    }
    let h = params.dt;
    let number = replica[r].z;
    let thermal = walker[r].kt;
    let total = acting(i).xyz;
    let is_overdamped = params.integrator == OVERDAMPED || params.integrator == OVERDAMPED_PUBLISHED;
    var inverse_mass = 0.0;
    var v = vec3<f32>(0.0);
    var way: vec3<f32>;
    if is_overdamped {
        let drift = select(params.mobility, params.mobility * thermal, params.integrator != OVERDAMPED);
        way = drift * total + sqrt(2.0 * params.mobility * thermal) * noise_of(i, number);
    } else {
        inverse_mass = velocity[i].w;
        v = velocity[i].xyz + (0.5 * h * inverse_mass) * total;
        if params.integrator == LANGEVIN {
            way = (0.5 * h) * v;
            v = params.keep * v + (params.refresh * sqrt(thermal * inverse_mass)) * noise_of(i, number);
            way += (0.5 * h) * v;
        } else {
            way = h * v;
        }
    }
    let next = moved_by(position[i], way);
    if any_broken(v) || !may_be_at(next, walker[r].origin) {
        position[i].low.w = 1.0;
        return;
    }
    if !is_overdamped {
        velocity[i] = vec4<f32>(v, inverse_mass);
    }
    position[i] = next;
}
