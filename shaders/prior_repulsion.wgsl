// prior_repulsion -- pairwise repulsion, gathered by bead
//
//   U = p / r^6, or p exp(q (r0 - r))
//   E = U(r) - U(cutoff) - (r - cutoff) U'(cutoff) for r < cutoff, else 0; E = U without a cutoff
//   half of a pair's energy goes to each of its beads
//
// A list of nearly all pairs is stored as a rule: every bead of the replica except those in a
// 64-bit mask around the bead, which includes the bead itself. The classes of the two beads select
// the parameters. All other pairs are stored one by one. The code computes E and its slope as U and
// U' times factors, because the terms of E cancel near the cutoff and the factors do not. A plain
// (sigma / r)^6 has only p.
//
// reads   bead, replica, position [n_beads] Å, pair_rule [rows of all molecules],
//         pair_row [rows of all molecules + 1],
//         pairs: (local bead, term) and record, records [n_records, RECORD]
// writes  force [2, n_beads] kcal/mol/Å, w: energy of the bead, kcal/mol   fast range: added to
// grid    one workgroup per bead; partial sums joined in a tree of fixed shape
// twin    src/reference/prior.rs
#import params
#import math
#import separation

const WORKGROUP: u32 = 32u;
// Numbers per record: p alone if every pair is (sigma / r)^6, else p, q, r0, cutoff. q = 0 means
// p / r^6.
const RECORD: u32 = 1u;
// The lower bits of a word hold the bead number in the replica, the upper bits the term.
const BEAD_BITS: u32 = 24u;
const NO_RULE: u32 = 0xffffffffu;
// The cutoff stored for a pair that has none, Å.
const NEVER: f32 = 1e30;
// (1e-4 Å)^2; the host twin is `model::prior::MIN_DISTANCE`.
const SQUARE_FLOOR: f32 = 1e-8;

// The rule of a molecule for one of its beads.
struct PairRule {
    // First record of the bead's class; NO_RULE if the molecule has no rule.
    records: u32,
    // Bit 32 + j - i is set if the rule excludes the pair (i, j).
    mask_low: u32,
    mask_high: u32,
    term: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> pair_rule: array<PairRule>;
@group(0) @binding(5) var<storage, read> pair_row: array<u32>;
@group(0) @binding(6) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read> records: array<f32>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

// 1 - (1 + x) e^-x, with decay = e^-x. Near 0 the terms cancel, so the Taylor series is used.
fn without_tangent(x: f32, decay: f32) -> f32 {
    if abs(x) > 0.5 {
        return fma(-1.0 - x, decay, 1.0);
    }
    var p = -2.20458554e-5;
    p = fma(p, x, 1.73611111e-4);
    p = fma(p, x, -1.19047619e-3);
    p = fma(p, x, 6.94444444e-3);
    p = fma(p, x, -3.33333333e-2);
    p = fma(p, x, 0.125);
    p = fma(p, x, -0.333333333);
    p = fma(p, x, 0.5);
    return p * x * x;
}

// Force on a bead at `between` from its partner, and half of the energy of the pair.
fn repulsion(between: vec3<f32>, record: u32) -> vec4<f32> {
    let square = max(dot(between, between), SQUARE_FLOOR);
    let at = record * RECORD;
    if RECORD == 1u {
        let inverse = 1.0 / square;
        let energy = records[at] * inverse * inverse * inverse;
        return vec4<f32>((6.0 * energy * inverse) * between, 0.5 * energy);
    }
    let r = length_of(between);
    let cutoff = records[at + 3u];
    if r >= cutoff {
        return vec4<f32>(0.0);
    }
    // The length with a floor, as a divisor.
    let divisor = sqrt(square);
    let rate = records[at + 1u];
    var energy: f32;
    var slope: f32;
    if rate == 0.0 {
        energy = records[at] / (square * square * square);
        slope = -6.0 * energy / divisor;
        // The factors of energy and slope are 1 - 7 w^6 + 6 w^7 and 1 - w^7, in factored form.
        // Without a cutoff w is about 0 and both are 1.
        let w = r / cutoff;
        let left = (cutoff - r) / cutoff;
        energy *= left * left * fma(fma(fma(fma(fma(6.0, w, 5.0), w, 4.0), w, 3.0), w, 2.0), w, 1.0);
        slope *= left * fma(fma(fma(fma(fma(w + 1.0, w, 1.0), w, 1.0), w, 1.0), w, 1.0), w, 1.0);
    } else {
        energy = records[at] * exp_of(rate * (records[at + 2u] - r));
        slope = -rate * energy;
        if cutoff < NEVER {
            let x = rate * (cutoff - r);
            let decay = exp_of(-x);
            let kept = without_tangent(x, decay);
            energy *= kept;
            // The factor is 1 - e^-x.
            slope *= fma(x, decay, kept);
        }
    }
    return vec4<f32>((-slope / divisor) * between, 0.5 * energy);
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
        let x = position[i];
        let rule = pair_rule[me.row];
        if rule.records != NO_RULE && wanted(rule.term) {
            let n = replica[me.replica].y;
            for (var k = lane; k < n; k += WORKGROUP) {
                let j = me.first + k;
                let bit = 32u + j - i;
                let mask = select(rule.mask_high, rule.mask_low, bit < 32u);
                // For beads beyond the mask `bit` is 64 or more or wraps to a large number: they
                // are in the rule.
                if bit < 64u && ((mask >> (bit & 31u)) & 1u) == 1u {
                    continue;
                }
                let other = position[j];
                sum += repulsion(separation(x, other), rule.records + u32(other.high.w));
            }
        }
        let end = pair_row[me.row + 1u];
        for (var k = pair_row[me.row] + lane; k < end; k += WORKGROUP) {
            if wanted(pairs[k].x >> BEAD_BITS) {
                let j = me.first + (pairs[k].x & ((1u << BEAD_BITS) - 1u));
                sum += repulsion(separation(x, position[j]), pairs[k].y);
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
