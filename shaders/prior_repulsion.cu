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
// grid    one block per bead; partial sums joined in a tree of fixed shape
// twin    prior_repulsion.wgsl, src/reference/prior.rs
#import params
#import math
#import separation

// One warp, which sums without barriers.
constexpr u32 WORKGROUP = 32u;
// Numbers per record: p alone if every pair is (sigma / r)^6, else p, q, r0, cutoff. q = 0 means
// p / r^6.
constexpr u32 RECORD = 1u;
// The lower bits of a word hold the bead number in the replica, the upper bits the term.
constexpr u32 BEAD_BITS = 24u;
constexpr u32 NO_RULE = 0xffffffffu;
// The cutoff stored for a pair that has none, Å.
constexpr float NEVER = 1e30f;
// (1e-4 Å)^2; the host twin is `model::prior::MIN_DISTANCE`.
constexpr float SQUARE_FLOOR = 1e-8f;

// The rule of a molecule for one of its beads.
struct __align__(16) PairRule {
    // First record of the bead's class; NO_RULE if the molecule has no rule.
    u32 records;
    // Bit 32 + j - i is set if the rule excludes the pair (i, j).
    u32 mask_low;
    u32 mask_high;
    u32 term;
};

// 1 - (1 + x) e^-x, with decay = e^-x. Near 0 the terms cancel, so the Taylor series is used.
__device__ inline float without_tangent(float x, float decay) {
    if (fabsf(x) > 0.5f) {
        return fmaf(-1.0f - x, decay, 1.0f);
    }
    float p = -2.20458554e-5f;
    p = fmaf(p, x, 1.73611111e-4f);
    p = fmaf(p, x, -1.19047619e-3f);
    p = fmaf(p, x, 6.94444444e-3f);
    p = fmaf(p, x, -3.33333333e-2f);
    p = fmaf(p, x, 0.125f);
    p = fmaf(p, x, -0.333333333f);
    p = fmaf(p, x, 0.5f);
    return p * x * x;
}

// Force on a bead at `between` from its partner, and half of the energy of the pair.
__device__ inline float4 repulsion(float3 between, const float* record) {
    const float square = fmaxf(dot(between, between), SQUARE_FLOOR);
    if constexpr (RECORD == 1u) {
        const float inverse = 1.0f / square;
        const float energy = record[0] * inverse * inverse * inverse;
        return with_w((6.0f * energy * inverse) * between, 0.5f * energy);
    } else {
        const float r = length_of(between);
        const float cutoff = record[3];
        if (r >= cutoff) {
            return four(0.0f);
        }
        // The length with a floor, as a divisor.
        const float divisor = sqrtf(square);
        const float rate = record[1];
        float energy;
        float slope;
        if (rate == 0.0f) {
            energy = record[0] / (square * square * square);
            slope = -6.0f * energy / divisor;
            // The factors of energy and slope are 1 - 7 w^6 + 6 w^7 and 1 - w^7, in factored form.
            // Without a cutoff w is about 0 and both are 1.
            const float w = r / cutoff;
            const float left = (cutoff - r) / cutoff;
            energy *= left * left
                * fmaf(fmaf(fmaf(fmaf(fmaf(6.0f, w, 5.0f), w, 4.0f), w, 3.0f), w, 2.0f), w, 1.0f);
            slope *= left
                * fmaf(fmaf(fmaf(fmaf(fmaf(w + 1.0f, w, 1.0f), w, 1.0f), w, 1.0f), w, 1.0f), w, 1.0f);
        } else {
            energy = record[0] * exp_of(rate * (record[2] - r));
            slope = -rate * energy;
            if (cutoff < NEVER) {
                const float x = rate * (cutoff - r);
                const float decay = exp_of(-x);
                const float kept = without_tangent(x, decay);
                energy *= kept;
                // The factor is 1 - e^-x.
                slope *= fmaf(x, decay, kept);
            }
        }
        return with_w((-slope / divisor) * between, 0.5f * energy);
    }
}

__device__ inline bool wanted(const Params* params, u32 term) {
    return params->term == ALL_TERMS || params->term == term;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) prior_repulsion(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const uint4* __restrict__ replica,
    const Position* __restrict__ position,
    const PairRule* __restrict__ pair_rule,
    const u32* __restrict__ pair_row,
    const uint2* __restrict__ pairs,
    const float* __restrict__ records,
    float4* __restrict__ force) {
    static_assert(WORKGROUP == 32u, "one warp");
    const u32 i = workgroup_number();
    const u32 lane = threadIdx.x;
    float4 sum = four(0.0f);
    if (i < params->n_beads) {
        const Bead me = bead[i];
        const Position x = position[i];
        const PairRule rule = pair_rule[me.row];
        if (rule.records != NO_RULE && wanted(params, rule.term)) {
            const u32 n = replica[me.replica].y;
            for (u32 k = lane; k < n; k += WORKGROUP) {
                const u32 j = me.first + k;
                const u32 bit = 32u + j - i;
                const u32 mask = bit < 32u ? rule.mask_low : rule.mask_high;
                // For beads beyond the mask `bit` is 64 or more or wraps to a large number: they
                // are in the rule.
                if (bit < 64u && ((mask >> (bit & 31u)) & 1u) == 1u) {
                    continue;
                }
                const Position other = position[j];
                const u32 record = rule.records + u32(other.high.w);
                sum += repulsion(separation(x, other), records + record * RECORD);
            }
        }
        const u32 end = pair_row[me.row + 1u];
        for (u32 k = pair_row[me.row] + lane; k < end; k += WORKGROUP) {
            const uint2 pair = pairs[k];
            if (wanted(params, pair.x >> BEAD_BITS)) {
                const u32 j = me.first + (pair.x & ((1u << BEAD_BITS) - 1u));
                sum += repulsion(separation(x, position[j]), records + pair.y * RECORD);
            }
        }
    }
    sum = tree_sum<WORKGROUP>(sum);
    if (lane == 0u && i < params->n_beads) {
        force[i] += sum;
    }
}
