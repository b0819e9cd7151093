// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi;
//                     x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   overdamped        x += F b h + sqrt(2 kT b h) xi,  b h = mobility
//   as published      x += F kT b h + sqrt(2 kT b h) xi
//
// F is the sum of the fast and the slow force. xi is drawn as in the kernel noise if DRAWN, else
// read.
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead, force [2, n_beads] kcal/mol/Å,
//         xi [n_beads], step_count, kt [n_replicas] kcal/mol
// writes  position [n_beads] Å, velocity [n_beads] Å/ps, w: 1/mass
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params
#import random
#import separation

const WORKGROUP: u32 = 64u;
// Whether this kernel draws xi.
const DRAWN: bool = true;
// Positions are multiples of 1/GRID Å.
const GRID: f32 = 4294967296.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> xi: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> step_count: array<u32>;
@group(0) @binding(6) var<storage, read> kt: array<f32>;
@group(0) @binding(7) var<storage, read_write> position: array<Position>;
@group(0) @binding(8) var<storage, read_write> velocity: array<vec4<f32>>;

fn noise_of(i: u32, number: u32) -> vec3<f32> {
    if !DRAWN {
        return xi[i].xyz;
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
    let h = params.dt;
    let number = replica[bead[i].replica].z;
    let thermal = kt[bead[i].replica];
    let total = force[i].xyz + force[slow(i)].xyz;
    var way: vec3<f32>;
    if params.integrator == OVERDAMPED || params.integrator == OVERDAMPED_PUBLISHED {
        let drift = select(params.mobility, params.mobility * thermal, params.integrator != OVERDAMPED);
        way = drift * total + sqrt(2.0 * params.mobility * thermal) * noise_of(i, number);
    } else {
        let inverse_mass = velocity[i].w;
        var v = velocity[i].xyz + (0.5 * h * inverse_mass) * total;
        if params.integrator == LANGEVIN {
            way = (0.5 * h) * v;
            v = params.keep * v + (params.refresh * sqrt(thermal * inverse_mass)) * noise_of(i, number);
            way += (0.5 * h) * v;
        } else {
            way = h * v;
        }
        velocity[i] = vec4<f32>(v, inverse_mass);
    }
    // from_grid and moved are multiples of 1/GRID, and so is their sum. Products with powers of two
    // are exact, so contraction to fma changes nothing.
    let x = position[i];
    let from_grid = round(x.high.xyz * GRID) * (1.0 / GRID);
    let moved = x.low.xyz + round(way * GRID) * (1.0 / GRID);
    let sum = exact_sum(from_grid, moved, x.low.w);
    position[i] = Position(vec4<f32>(sum.high.xyz, x.high.w), vec4<f32>(sum.low.xyz, x.low.w));
}
