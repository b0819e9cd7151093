// bias_levels -- energies of each replica with the biases of each state of its ladder
//
//   E_s(x_r) = U(x_r) + min(sum_k W_k of state s, 2^31 kcal/mol)
//
// An energy that is not finite stays.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (see lib/variable and lib/bias), walker [n_replicas] (origin),
//         energy [n_replicas] kcal/mol: sum and rounding error
// writes  levels [STATES, n_replicas] kcal/mol: sum and rounding error
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/engine/biases.rs
#import params
#import walker
#import sum
#import bias

const WORKGROUP: u32 = 128u;
const STATES: u32 = 1u;
// So that the sum with U has room in the whole numbers of `exchange`.
const MOST: f32 = 2147483648.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> position: array<Position>;
@group(0) @binding(3) var<storage, read> variables: array<u32>;
// Only read; atomics need read_write.
@group(0) @binding(4) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(5) var<storage, read> energy: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> levels: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn bias_levels(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid);
    // A workgroup without a replica takes part in the barriers.
    let r = min(number, params.n_replicas - 1u);
    let here = Here(replica[r].x, replica[r].y, walker[r].origin);
    for (var k = 0u; k < n_biases(); k++) {
        let e = evaluate(k, here, lane);
        for (var s = 0u; s < STATES; s++) {
            let of_bias = bias_energy(k, s, e, here, lane);
            // `levels` first holds the sum over the biases.
            if lane == 0u && number == r {
                let at = s * params.n_replicas + r;
                let before = select(levels[at].x, 0.0, k == 0u);
                levels[at] = vec2<f32>(before + of_bias, 0.0);
            }
        }
    }
    for (var s = 0u; s < STATES && lane == 0u && number == r; s++) {
        let at = s * params.n_replicas + r;
        let u = energy[r];
        let with_biases = add(u, min(levels[at].x, MOST));
        levels[at] = select(with_biases, u, is_broken(u.x) || is_broken(u.y));
    }
}
