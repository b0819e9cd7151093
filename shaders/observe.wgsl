// observe -- values of variables at the positions of each replica
//
//   q_rk = variable k at the positions of replica r
//
// A replica with an alarm gets NaN. With GRADIENT, which only tests use, the kernel also writes the
// gradient of the last variable.
//
// reads   replica [n_replicas] (first bead, beads, number, -), position [n_beads] Å,
//         variables (headers, then beads, tables and references; see lib/variable),
//         walker [n_replicas] (origin, alarm)
// writes  observed [n_replicas, n_variables] Å or rad, gradients [n_beads]
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/variable/evaluate.rs
#import params
#import walker
#import variable

const WORKGROUP: u32 = 128u;
const GRADIENT: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> position: array<Position>;
@group(0) @binding(3) var<storage, read> variables: array<u32>;
// Only read; atomics need read_write.
@group(0) @binding(4) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(5) var<storage, read_write> observed: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn observe(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid);
    // A workgroup without a replica takes part in the barriers.
    let r = min(number, params.n_replicas - 1u);
    let writes = number == r;
    let here = Here(replica[r].x, replica[r].y, walker[r].origin);
    // Bits, because WGSL has no NaN.
    let has_alarm = atomicLoad(&walker[r].alarm) != NO_ALARM;
    for (var k = 0u; k < n_variables(); k++) {
        let e = evaluate(k, here, lane);
        if lane == 0u && writes {
            let bits = select(bitcast<u32>(e.value), 0x7fc00000u, has_alarm);
            observed[r * n_variables() + k] = bitcast<f32>(bits);
        }
        if GRADIENT && writes && k + 1u == n_variables() {
            for (var bead = lane; bead < here.n_beads; bead += WORKGROUP) {
                gradients[here.first + bead] = vec4<f32>(gradient(k, e, here, bead), 0.0);
            }
        }
    }
}
