// prior_bonded -- terms of two, three and four bonded beads, gathered by bead
//
//   bond                k (r - x0)^2 + v0
//   angle               k (q - x0)^2 + v0,  q = cos theta or theta
//   quartic angle       v0 + sum_n k_n q^n, n = 1..4
//   restricted quartic  a c^4 + b c^3 + c' c^2 + d c + k / sin^2 theta + v0,  c = cos theta
//   improper            k (q - x0)^2 + v0,  q = phi, or phi +- pi in [-pi, pi)
//   dihedral            v0 + sum_n k1_n sin(n phi) + k2_n cos(n phi)
//
// For each bead the kernel computes every tuple that the bead is in and keeps only this bead's part
// of the gradient, so nothing is scattered. The energy of a tuple goes to its first bead. This
// kernel starts the fast forces. Angles and their gradients are those of lib/angles.
//
// Bonds are stiff. Positions rounded to f32 would shake them and heat a long run, so all terms use
// separation vectors from lib/separation, which take both numbers of a position.
//
// A bond that is longer than params.max_stretch times its rest length raises an alarm at its first
// bead, unless its rest length is below LEAST_REST or its k is 0.
//
// reads   bead, position [n_beads] Å, tuple_row [rows of all molecules + 1], tuples, values
// writes  force [2, n_beads] kcal/mol/Å, w: energy of the bead, kcal/mol   fast range: overwritten,
//         walker [n_replicas] (alarm)
// grid    LANES threads per bead; partial sums joined in a tree of fixed shape
// twin    prior_bonded.wgsl, src/reference/prior.rs
#import params
#import math
#import walker
#import separation
#import angles

constexpr u32 WORKGROUP = 64u;
// Threads that share the tuples of a bead: a power of 2, at most a warp.
constexpr u32 LANES = 8u;
// Forms; the host twin is `gpu::params::form`.
constexpr u32 BOND = 0u;
constexpr u32 ANGLE = 1u;
constexpr u32 ANGLE_RAW = 2u;
constexpr u32 QUARTIC = 3u;
constexpr u32 QUARTIC_RAW = 4u;
constexpr u32 RESTRICTED = 5u;
constexpr u32 DIHEDRAL = 6u;
constexpr u32 IMPROPER = 7u;
constexpr u32 IMPROPER_SHIFTED = 8u;
// Å
constexpr float LEAST_REST = 1.0f;

// A tuple in the list of one of its beads.
struct Tuple {
    // Bead numbers in the replica.
    uint4 beads;
    u32 form;
    // The position in the tuple of the bead whose list this is.
    u32 slot;
    // Prior term, in the model's order.
    u32 term;
    // Number of Fourier terms.
    u32 degree;
    // Index of the first parameter.
    u32 values;
    u32 padding0;
    u32 padding1;
    u32 padding2;
};
static_assert(sizeof(Tuple) == 48, "the host's layout");

// Energy of a tuple and its gradient with respect to the bead whose list it is in.
struct Share {
    float energy;
    float3 gradient;
};

// Energy or a part of it, and its derivative.
struct Slope {
    float energy;
    float slope;
};

// Energy and slope of k (q - x0)^2 + v0. The values are k, x0, v0; q is the sum of its components.
__device__ inline Slope harmonic(float2 q, const float* values) {
    const float offset = (q.x - values[1]) + q.y;
    return {fmaf(values[0] * offset, offset, values[2]), 2.0f * values[0] * offset};
}

// Energy and slope of v0 + k1 q + k2 q^2 + k3 q^3 + k4 q^4.
__device__ inline Slope quartic(float q, float v0, float4 k) {
    return {
        fmaf(fmaf(fmaf(fmaf(k.w, q, k.z), q, k.y), q, k.x), q, v0),
        fmaf(fmaf(fmaf(4.0f * k.w, q, 3.0f * k.z), q, 2.0f * k.y), q, k.x)};
}

__device__ inline float4 coefficients(const float* values) {
    return make_float4(values[0], values[1], values[2], values[3]);
}

__device__ inline Share bond(
    const Tuple& t,
    const float* values,
    Position x0,
    Position x1,
    float max_stretch,
    u32* alarm) {
    const float3 a = separation(x0, x1);
    const float r = length_of(a);
    const bool is_limited = t.slot == 0u && values[0] > 0.0f && values[1] >= LEAST_REST;
    if (is_limited && r > max_stretch * values[1]) {
        atomicMin(alarm, alarm_of(t.beads.x, STRETCH));
    }
    const Slope e = harmonic(make_float2(r, 0.0f), values);
    const float toward = t.slot == 0u ? 1.0f : -1.0f;
    return {e.energy, (e.slope * toward / fmaxf(r, DISTANCE_FLOOR)) * a};
}

__device__ inline Share angle(const Tuple& t, const float* values, Position x0, Position x1, Position x2) {
    const Bend bend = bend_of(separation(x0, x1), separation(x2, x1));
    const float c = bend.cosine;
    // Energy and slope with respect to c.
    Slope e;
    if (t.form == ANGLE) {
        e = harmonic(make_float2(c, 0.0f), values);
    } else if (t.form == QUARTIC) {
        e = quartic(c, values[0], coefficients(values + 1));
    } else if (t.form == RESTRICTED) {
        const float k = values[4];
        const float floored = fmaxf(bend.sin2, SIN2_FLOOR);
        const float4 reversed = make_float4(values[3], values[2], values[1], values[0]);
        e = quartic(c, values[5] + k / floored, reversed);
        // d(1 / sin^2) = 2 c / sin^4 dc
        e.slope += bend.sin2 > SIN2_FLOOR ? 2.0f * k * c / (floored * floored) : 0.0f;
    } else {
        const float2 theta = atan2_parts(sqrtf(bend.sin2), c);
        if (t.form == ANGLE_RAW) {
            e = harmonic(theta, values);
        } else {
            e = quartic(theta.x + theta.y, values[0], coefficients(values + 1));
        }
        e.slope /= -floored_sine(bend);
    }
    return {e.energy, e.slope * bend_gradient(bend, t.slot)};
}

// Energy and slope of the Fourier series, by repeated rotation; `rotation` is (cos phi, sin phi).
__device__ inline Slope fourier(u32 degree, const float* values, float2 rotation) {
    Slope e = {values[0], 0.0f};
    float2 turn = rotation;
    for (u32 k = 1u; k <= degree; k++) {
        const float k1 = values[k];
        const float k2 = values[degree + k];
        e.energy += fmaf(k1, turn.y, k2 * turn.x);
        e.slope += float(k) * fmaf(k1, turn.x, -k2 * turn.y);
        turn = make_float2(
            fmaf(turn.x, rotation.x, -turn.y * rotation.y),
            fmaf(turn.y, rotation.x, turn.x * rotation.y));
    }
    return e;
}

__device__ inline Share dihedral(
    const Tuple& t, const float* values, Position x0, Position x1, Position x2, Position x3) {
    const Torsion torsion = torsion_of(separation(x1, x0), separation(x2, x1), separation(x3, x2));
    const float2 rotation = torsion.rotation;
    Slope e;
    if (t.form == DIHEDRAL) {
        e = fourier(t.degree, values, rotation);
    } else {
        float2 angle = atan2_parts(rotation.y, rotation.x);
        if (t.form == IMPROPER_SHIFTED) {
            // Exact: PI in f32 is 2 HALF_PI.
            angle.x += rotation.y < 0.0f ? PI : -PI;
        }
        e = harmonic(angle, values);
    }
    return {e.energy, e.slope * torsion_gradient(torsion, t.slot)};
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) prior_bonded(
    const Params* __restrict__ params,
    const Bead* __restrict__ bead,
    const Position* __restrict__ position,
    const u32* __restrict__ tuple_row,
    const Tuple* __restrict__ tuples,
    const float* __restrict__ values,
    float4* __restrict__ force,
    Walker* __restrict__ walker) {
    const u32 i = workgroup_number() * (WORKGROUP / LANES) + threadIdx.x / LANES;
    const u32 mine = threadIdx.x % LANES;
    float3 sum = three(0.0f);
    float energy = 0.0f;
    if (i < params->n_beads) {
        const Bead me = bead[i];
        const u32 end = tuple_row[me.row + 1u];
        for (u32 k = tuple_row[me.row] + mine; k < end; k += LANES) {
            const Tuple t = tuples[k];
            if (params->term != ALL_TERMS && params->term != t.term) {
                continue;
            }
            const float* own = values + t.values;
            const Position x0 = position[me.first + t.beads.x];
            const Position x1 = position[me.first + t.beads.y];
            Share share;
            if (t.form == BOND) {
                share = bond(t, own, x0, x1, params->max_stretch, &walker[me.replica].alarm);
            } else if (t.form < DIHEDRAL) {
                share = angle(t, own, x0, x1, position[me.first + t.beads.z]);
            } else {
                const Position x2 = position[me.first + t.beads.z];
                share = dihedral(t, own, x0, x1, x2, position[me.first + t.beads.w]);
            }
            sum -= share.gradient;
            energy += t.slot == 0u ? share.energy : 0.0f;
        }
    }
    const float4 total = tree_sum<LANES>(with_w(sum, energy));
    if (mine == 0u && i < params->n_beads) {
        force[i] = total;
    }
}
