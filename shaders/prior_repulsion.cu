// prior_repulsion -- pairwise repulsion, gathered by bead
//
//   U = p / r^6, or p exp(alpha - q r);  E = U + a + b r  for r < cutoff, else 0
//   half of a pair's energy goes to each of its beads
//
// A list of nearly all pairs is given as a rule: every bead of the replica but itself and those of
// a 64-bit mask around it, with parameters by the classes of the two beads. Other pairs stand in
// lists. a and b shift energy and force to 0 at the cutoff; plain (sigma / r)^6 has only p.
//
// reads   bead, replica, position [n_beads] Å, w: class of the bead, pair_rule, pair_row [rows of
//         all molecules (+ 1)], pairs: (local bead, term) and record, records [n_records, RECORD]
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   added to
// grid    one block per bead; partial sums joined in a tree of fixed shape
// twin    prior_repulsion.wgsl, src/reference/prior.rs
#import params
#import math

// A warp, which sums without a barrier.
constexpr u32 WORKGROUP = 32u;
// Numbers of a record: 1 for (sigma / r)^6 alone, else p, q, alpha, a, b, cutoff.
constexpr u32 RECORD = 1u;
// The local bead number takes the lower bits of a word, the term the upper ones.
constexpr u32 BEAD_BITS = 24u;
constexpr u32 NO_RULE = 0xffffffffu;
// As everywhere: `model::prior`. (1e-4 Å)^2
constexpr float SQUARE_FLOOR = 1e-8f;

// What a bead is to the rule of its molecule.
struct __align__(16) PairRule {
    // First record of its class; NO_RULE where the molecule has no such list.
    u32 records;
    // Bit 32 + j - i is set where the pair (i, j) is not in the list.
    u32 mask_low;
    u32 mask_high;
    u32 term;
};

// Force on the bead at `separation` from its partner, and its half of the energy.
__device__ inline float4 repulsion(float3 separation, const float* record) {
    const float square = fmaxf(dot(separation, separation), SQUARE_FLOOR);
    if constexpr (RECORD == 1u) {
        const float inverse = 1.0f / square;
        const float energy = record[0] * inverse * inverse * inverse;
        return with_w((6.0f * energy * inverse) * separation, 0.5f * energy);
    } else {
        const float r = length_of(separation);
        if (r >= record[5]) {
            return four(0.0f);
        }
        // What divides has a floor.
        const float divisor = sqrtf(square);
        const float rate = record[1];
        float energy = record[0] / (square * square * square);
        float slope = -6.0f * energy / divisor;
        if (rate != 0.0f) {
            energy = record[0] * exp_of(fmaf(-rate, r, record[2]));
            slope = -rate * energy;
        }
        slope += record[4];
        energy += fmaf(record[4], r, record[3]);
        return with_w((-slope / divisor) * separation, 0.5f * energy);
    }
}

__device__ inline bool wanted(const Params* params, u32 term) {
    return params->term == ALL_TERMS || params->term == term;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) prior_repulsion(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const uint4* __restrict__ replica,
    const float4* __restrict__ position,
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
        const float3 x = xyz(position[i]);
        const PairRule rule = pair_rule[me.row];
        if (rule.records != NO_RULE && wanted(params, rule.term)) {
            const u32 n = replica[me.replica].y;
            for (u32 k = lane; k < n; k += WORKGROUP) {
                const u32 j = me.first + k;
                const u32 bit = 32u + j - i;
                const u32 mask = bit < 32u ? rule.mask_low : rule.mask_high;
                // Beads beyond the window wrap to large numbers, and are in the list.
                if (bit < 64u && ((mask >> (bit & 31u)) & 1u) == 1u) {
                    continue;
                }
                const float4 other = position[j];
                const u32 record = rule.records + u32(other.w);
                sum += repulsion(x - xyz(other), records + record * RECORD);
            }
        }
        const u32 end = pair_row[me.row + 1u];
        for (u32 k = pair_row[me.row] + lane; k < end; k += WORKGROUP) {
            const uint2 pair = pairs[k];
            if (wanted(params, pair.x >> BEAD_BITS)) {
                const u32 j = me.first + (pair.x & ((1u << BEAD_BITS) - 1u));
                sum += repulsion(x - xyz(position[j]), records + pair.y * RECORD);
            }
        }
    }
    sum = tree_sum<WORKGROUP>(sum);
    if (lane == 0u && i < params->n_beads) {
        force[i] += sum;
    }
}
