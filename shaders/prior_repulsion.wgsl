// prior_repulsion -- pairwise repulsion, gathered by bead
//
//   E = (sigma / r)^6;  half of a pair's energy goes to each of its beads
//
// reads   bead, position [n_beads] Å, pair_row [rows of all molecules + 1], pairs: local bead number
//         and term in one word, sigma^6 in the other
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   added to
// grid    one workgroup per bead; partial sums joined in a tree of fixed shape
// twin    src/reference/prior.rs
#import params

const WORKGROUP: u32 = 32u;
// The local bead number takes the lower bits of a word, the term the upper ones.
const BEAD_BITS: u32 = 24u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> pair_row: array<u32>;
@group(0) @binding(4) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn prior_repulsion(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid);
    var sum = vec4<f32>(0.0);
    if i < params.n_beads {
        let first = bead[i].first;
        let x = position[i].xyz;
        let end = pair_row[bead[i].row + 1u];
        for (var k = pair_row[bead[i].row] + lane; k < end; k += WORKGROUP) {
            let term = pairs[k].x >> BEAD_BITS;
            let j = first + (pairs[k].x & ((1u << BEAD_BITS) - 1u));
            let separation = x - position[j].xyz;
            let inverse = 1.0 / dot(separation, separation);
            let energy = bitcast<f32>(pairs[k].y) * inverse * inverse * inverse;
            let share = vec4<f32>((6.0 * energy * inverse) * separation, 0.5 * energy);
            if params.term == ALL_TERMS || params.term == term {
                sum += share;
            }
        }
    }
    part[lane] = sum;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            part[lane] += part[lane + stride];
        }
        workgroupBarrier();
    }
    if lane == 0u && i < params.n_beads {
        force[i] += part[0];
    }
}
