// exchange_end -- temperatures and velocities after an exchange
//
//   kT = kT of the new state;  v *= sqrt(T_new / T_old) (Langevin dynamics only)
//
// reads   bead, change [n_replicas] (factor of the velocities, kT; 0 in no ladder)
// writes  walker [n_replicas] (kT), velocity [n_beads] Å/ps
// grid    one invocation per bead
// twin    src/engine/exchange.rs
#import params
#import walker

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> change: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(4) var<storage, read_write> velocity: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn exchange_end(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i >= params.n_beads {
        return;
    }
    let r = bead[i].replica;
    let changed = change[r];
    if changed.y == 0.0 {
        return;
    }
    if i == bead[i].first {
        walker[r].kt = changed.y;
    }
    if params.integrator == LANGEVIN {
        let v = velocity[i];
        velocity[i] = vec4<f32>(changed.x * v.xyz, v.w);
    }
}
