// integrate_end -- the part of a step after the force evaluation
//
//   v += h/2 F/m (not in overdamped dynamics);  step_count += 1
//
// reads   force [2, n_beads] kcal/mol/Å: fast range, slow range
// writes  velocity [n_beads] Å/ps, step_count (low and high word)
// grid    one invocation per bead
// twin    src/reference/integrate.rs
#import params

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> velocity: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> step_count: array<u32>;

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
    let has_velocities = params.integrator == LANGEVIN || params.integrator == NVE;
    if i < params.n_beads && has_velocities {
        let v = velocity[i];
        let total = force[i].xyz + force[slow(i)].xyz;
        velocity[i] = vec4<f32>(v.xyz + (0.5 * params.dt * v.w) * total, v.w);
    }
}
