// bias -- values, energies and forces of biases in each replica
//
//   F_i = F_i of the host - sum_k dW_k/dq_k dq_k/dx_i
//
// q_k is a variable, W_k(q_k) a bias. The numbers of W_k are those of the replica's state in its
// ladder if BY_STATE, else those of the replica. With ALONE the forces are those of bias params.term
// alone. Value and energy are NaN in a replica with an alarm.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (see lib/variable and lib/bias), walker [n_replicas] (origin, alarm),
//         pushed [n_beads] (forces of the host, kcal/mol/Å), place [n_replicas] (state, -)
// writes  force [3, n_beads] (the bias range; w: 0), biases [n_replicas, n_biases] (value, Å or rad, and
//         energy, kcal/mol)
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/bias.rs
#import params
#import walker
#import bias

const WORKGROUP: u32 = 128u;
const BY_STATE: bool = false;
const ALONE: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> position: array<Position>;
@group(0) @binding(3) var<storage, read> variables: array<u32>;
// Only read; atomics need read_write.
@group(0) @binding(4) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(5) var<storage, read> pushed: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> place: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> force: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> biases: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn bias(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid);
    // A workgroup without a replica takes part in the barriers.
    let r = min(number, params.n_replicas - 1u);
    let writes = number == r;
    let here = Here(replica[r].x, replica[r].y, walker[r].origin);
    let has_alarm = atomicLoad(&walker[r].alarm) != NO_ALARM;
    var row = r;
    if BY_STATE {
        row = place[r].x;
    }
    // Each invocation adds to the forces on beads of its own.
    for (var bead = lane; bead < here.n_beads && writes; bead += WORKGROUP) {
        let i = here.first + bead;
        force[biased(i)] = select(pushed[i], vec4<f32>(0.0), ALONE);
    }
    for (var k = 0u; k < n_biases(); k++) {
        let e = evaluate(k, here, lane);
        let energy = bias_energy(k, row, e, here, lane);
        if lane == 0u && writes {
            // Bits, because WGSL has no NaN.
            let bits = vec2<u32>(bitcast<u32>(e.value), bitcast<u32>(energy));
            let shown = select(bits, vec2<u32>(0x7fc00000u), has_alarm);
            biases[r * n_biases() + k] = bitcast<vec2<f32>>(shown);
        }
        if writes && (!ALONE || k == params.term) {
            for (var bead = lane; bead < here.n_beads; bead += WORKGROUP) {
                let f = bias_force(k, row, e, here, bead);
                force[biased(here.first + bead)] += vec4<f32>(f, 0.0);
            }
        }
    }
}
