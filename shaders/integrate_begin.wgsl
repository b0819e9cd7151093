// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi; x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   Brownian          x += F D h + sqrt(2 D h) xi,  D = mobility / beta
//
// A position is the sum of two numbers: one f32 alone loses digits at every step, and the energy
// wanders with them. All other kernels look at the high number. Both are multiples of 2^-32 Å, so
// that their sum is exact in the host's f64.
//
// xi is drawn as in noise.wgsl, or given.
//
// reads   replica [n_replicas] (first bead, beads, number, bits of 1/beta kcal/mol), bead, force,
//         xi [n_beads], step_count
// writes  position [n_beads] Å, position_low [n_beads] Å, w: 0, velocity [n_beads] Å/ps, w: 1/mass
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params
#import random

const WORKGROUP: u32 = 64u;
// Whether xi is drawn here.
const DRAWN: bool = true;
// 1/Å
const GRID: f32 = 4294967296.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> xi: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> step_count: array<u32>;
@group(0) @binding(6) var<storage, read_write> position: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> position_low: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> velocity: array<vec4<f32>>;

fn noise_of(i: u32, number: u32) -> vec3<f32> {
    if !DRAWN {
        return xi[i].xyz;
    }
    let counter = vec4<u32>(i - bead[i].first, number, step_count[0], step_count[1]);
    return normal3(counter, vec2<u32>(params.seed_low, params.seed_high));
}

// x, by way of a zero that the compiler does not know. It may otherwise take (a + b) - a for b, as
// some do, and so the rounding that we are after for zero.
fn hidden(x: vec3<f32>, zero: f32) -> vec3<f32> {
    return bitcast<vec3<f32>>(bitcast<vec3<u32>>(x) ^ vec3<u32>(bitcast<u32>(zero)));
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
    let own = replica[bead[i].replica];
    let kt = bitcast<f32>(own.w);
    var way: vec3<f32>;
    if params.integrator == OVERDAMPED {
        let reach = params.mobility * kt * h;
        way = force[i].xyz * reach + sqrt(2.0 * reach) * noise_of(i, own.z);
    } else {
        let inverse_mass = velocity[i].w;
        var v = velocity[i].xyz + (0.5 * h * inverse_mass) * force[i].xyz;
        if params.integrator == LANGEVIN {
            way = (0.5 * h) * v;
            v = params.keep * v + (params.refresh * sqrt(kt * inverse_mass)) * noise_of(i, own.z);
            way += (0.5 * h) * v;
        } else {
            way = h * v;
        }
        velocity[i] = vec4<f32>(v, inverse_mass);
    }
    // The sum of the larger and the smaller number, and what its rounding left out (Dekker 1971).
    // Every line has one operation, or a product that is exact, so that contraction changes nothing.
    let x = position[i];
    let low = position_low[i];
    let from_grid = round(x.xyz * GRID) * (1.0 / GRID);
    let moved = low.xyz + round(way * GRID) * (1.0 / GRID);
    let swap = abs(moved) > abs(from_grid);
    let large = select(from_grid, moved, swap);
    let small = select(moved, from_grid, swap);
    let high = hidden(large + small, low.w);
    let taken = hidden(high - large, low.w);
    position[i] = vec4<f32>(high, x.w);
    position_low[i] = vec4<f32>(small - taken, low.w);
}
