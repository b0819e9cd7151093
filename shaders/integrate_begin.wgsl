// integrate_begin -- the part of a step before the force evaluation
//
//   Langevin (BAOAB)  v += h/2 F/m; x += h/2 v; v = keep v + refresh sqrt(1/(beta m)) xi; x += h/2 v
//   velocity Verlet   v += h/2 F/m; x += h v
//   Brownian          x += F D h + sqrt(2 D h) xi,  D = mobility / beta
//
// reads   bead, force, xi [n_beads], thermal [n_replicas] = 1/beta kcal/mol
// writes  position [n_beads] Å, velocity [n_beads] Å/ps, w: 1/mass
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> xi: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> thermal: array<f32>;
@group(0) @binding(5) var<storage, read_write> position: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> velocity: array<vec4<f32>>;

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
    let kt = thermal[bead[i].replica];
    var x = position[i].xyz;
    if params.integrator == OVERDAMPED {
        let reach = params.mobility * kt * h;
        x += force[i].xyz * reach + sqrt(2.0 * reach) * xi[i].xyz;
    } else {
        let inverse_mass = velocity[i].w;
        var v = velocity[i].xyz + (0.5 * h * inverse_mass) * force[i].xyz;
        if params.integrator == LANGEVIN {
            x += (0.5 * h) * v;
            v = params.keep * v + (params.refresh * sqrt(kt * inverse_mass)) * xi[i].xyz;
            x += (0.5 * h) * v;
        } else {
            x += h * v;
        }
        velocity[i] = vec4<f32>(v, inverse_mass);
    }
    position[i] = vec4<f32>(x, position[i].w);
}
