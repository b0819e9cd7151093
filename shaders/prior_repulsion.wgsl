// prior_repulsion -- pairwise repulsion, gathered by bead
//
//   U = p / r^6, or p exp(alpha - q r);  E = U + a + b r  for r < cutoff, else 0
//   half of a pair's energy goes to each of its beads
//
// A list of nearly all pairs is given as a rule: every bead of the replica but itself and those of
// a 64-bit mask around it, with parameters by the classes of the two beads. Other pairs stand in
// lists. a and b shift energy and force to 0 at the cutoff; plain (sigma / r)^6 has only p.
//
// reads   bead, replica, position [n_beads] Å, w: class of the bead, pair_rule, pair_row [rows of all
//         molecules (+ 1)], pairs: (local bead, term) and record, records [n_records, RECORD]
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   added to
// grid    one workgroup per bead; partial sums joined in a tree of fixed shape
// twin    src/reference/prior.rs
#import params
#import math

const WORKGROUP: u32 = 32u;
// Numbers of a record: 1 for (sigma / r)^6 alone, else p, q, alpha, a, b, cutoff.
const RECORD: u32 = 1u;
// The local bead number takes the lower bits of a word, the term the upper ones.
const BEAD_BITS: u32 = 24u;
const NO_RULE: u32 = 0xffffffffu;
// As everywhere: `model::prior`. (1e-4 Å)^2
const SQUARE_FLOOR: f32 = 1e-8;

// What a bead is to the rule of its molecule.
struct PairRule {
    // First record of its class; NO_RULE where the molecule has no such list.
    records: u32,
    // Bit 32 + j - i is set where the pair (i, j) is not in the list.
    mask_low: u32,
    mask_high: u32,
    term: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> pair_rule: array<PairRule>;
@group(0) @binding(5) var<storage, read> pair_row: array<u32>;
@group(0) @binding(6) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read> records: array<f32>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

// Force on the bead at `separation` from its partner, and its half of the energy.
fn repulsion(separation: vec3<f32>, record: u32) -> vec4<f32> {
    let square = max(dot(separation, separation), SQUARE_FLOOR);
    let at = record * RECORD;
    if RECORD == 1u {
        let inverse = 1.0 / square;
        let energy = records[at] * inverse * inverse * inverse;
        return vec4<f32>((6.0 * energy * inverse) * separation, 0.5 * energy);
    }
    let r = length_of(separation);
    if r >= records[at + 5u] {
        return vec4<f32>(0.0);
    }
    // What divides has a floor.
    let divisor = sqrt(square);
    let rate = records[at + 1u];
    var energy = records[at] / (square * square * square);
    var slope = -6.0 * energy / divisor;
    if rate != 0.0 {
        energy = records[at] * exp_of(fma(-rate, r, records[at + 2u]));
        slope = -rate * energy;
    }
    slope += records[at + 4u];
    energy += fma(records[at + 4u], r, records[at + 3u]);
    return vec4<f32>((-slope / divisor) * separation, 0.5 * energy);
}

fn wanted(term: u32) -> bool {
    return params.term == ALL_TERMS || params.term == term;
}

@compute @workgroup_size(WORKGROUP)
fn prior_repulsion(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid);
    var sum = vec4<f32>(0.0);
    if i < params.n_beads {
        let me = bead[i];
        let x = position[i].xyz;
        let rule = pair_rule[me.row];
        if rule.records != NO_RULE && wanted(rule.term) {
            let n = replica[me.replica].y;
            for (var k = lane; k < n; k += WORKGROUP) {
                let j = me.first + k;
                let bit = 32u + j - i;
                let mask = select(rule.mask_high, rule.mask_low, bit < 32u);
                // Beads beyond the window wrap to large numbers, and are in the list.
                if bit < 64u && ((mask >> (bit & 31u)) & 1u) == 1u {
                    continue;
                }
                let other = position[j];
                sum += repulsion(x - other.xyz, rule.records + u32(other.w));
            }
        }
        let end = pair_row[me.row + 1u];
        for (var k = pair_row[me.row] + lane; k < end; k += WORKGROUP) {
            if wanted(pairs[k].x >> BEAD_BITS) {
                let j = me.first + (pairs[k].x & ((1u << BEAD_BITS) - 1u));
                sum += repulsion(x - position[j].xyz, pairs[k].y);
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
