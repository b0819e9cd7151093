// energy_reduce -- potential energy of each replica
//
//   E_r = sum_i (fast energy of bead i + slow energy of bead i)
//
// The sum takes the classes in params.classes. A replica with an alarm gets NaN, so that it takes no
// part in exchanges.
//
// reads   replica [n_replicas] (first bead, beads, number, -), force [2, n_beads], w: energy,
//         kcal/mol, walker [n_replicas] (alarm)
// writes  energy [n_replicas] kcal/mol: the rounded sum, and the sum of the rounding errors
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/reference/engine.rs
#import params
#import walker
#import sum

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> force: array<vec4<f32>>;
// Only read; atomics need read_write.
@group(0) @binding(3) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(4) var<storage, read_write> energy: array<vec2<f32>>;

var<workgroup> part: array<vec2<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn energy_reduce(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid);
    var sum = vec2<f32>(0.0);
    if r < params.n_replicas {
        let first = replica[r].x;
        for (var k = lane; k < replica[r].y; k += WORKGROUP) {
            sum = add(sum, select(0.0, force[slow(first + k)].w, (params.classes & SLOW) != 0u));
            sum = add(sum, select(0.0, force[first + k].w, (params.classes & FAST) != 0u));
        }
    }
    part[lane] = sum;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            let other = part[lane + stride];
            part[lane] = add(part[lane], other.x) + vec2<f32>(0.0, other.y);
        }
        workgroupBarrier();
    }
    if lane == 0u && r < params.n_replicas {
        // Bits, because WGSL has no NaN.
        let has_alarm = atomicLoad(&walker[r].alarm) != NO_ALARM;
        let sum_bits = select(bitcast<u32>(part[0].x), 0x7fc00000u, has_alarm);
        energy[r] = vec2<f32>(bitcast<f32>(sum_bits), part[0].y);
    }
}
