// energy_reduce -- potential energy of each replica
//
//   E_r = sum_i (network energy of bead i + prior energy of bead i)
//
// reads   replica [n_replicas] (first bead, beads, number, -), bead_energy [n_beads] kcal/mol,
//         force [n_beads], w: prior energy
// writes  energy [n_replicas] kcal/mol, as a rounded sum and what was rounded off
// grid    one workgroup per replica; partial sums joined in a tree of fixed shape
// twin    src/reference/engine.rs
#import params

const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead_energy: array<f32>;
@group(0) @binding(3) var<storage, read> force: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> energy: array<vec2<f32>>;

var<workgroup> part: array<vec2<f32>, WORKGROUP>;

// Sum and its rounding error (Neumaier's order, which compilers do not cancel).
fn add(a: vec2<f32>, b: f32) -> vec2<f32> {
    let sum = a.x + b;
    let big = select(b, a.x, abs(a.x) >= abs(b));
    let small = select(a.x, b, abs(a.x) >= abs(b));
    return vec2<f32>(sum, a.y + ((big - sum) + small));
}

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
            sum = add(sum, bead_energy[first + k]);
            sum = add(sum, force[first + k].w);
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
        energy[r] = part[0];
    }
}
