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
// kernel starts the fast forces.
// Denominators have the floors of `model::prior`, so that degenerate geometry gives finite forces.
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
// Floors of denominators: sin^2 theta, and a distance in Å; the host twin is `model::prior`.
constexpr float SIN2_FLOOR = 1e-8f;
constexpr float DISTANCE_FLOOR = 1e-4f;
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
    const float3 to0 = separation(x0, x1);
    const float3 to2 = separation(x2, x1);
    const float bare0 = length_of(to0);
    const float bare2 = length_of(to2);
    const float length0 = fmaxf(bare0, DISTANCE_FLOOR);
    const float length2 = fmaxf(bare2, DISTANCE_FLOOR);
    const float3 a = to0 / length0;
    const float3 b = to2 / length2;
    const float c = dot(a, b);
    const float3 normal = cross_of(to0, to2) / (length0 * length2);
    const float sin2 = dot(normal, normal);
    // Energy and slope with respect to c.
    Slope e;
    if (t.form == ANGLE) {
        e = harmonic(make_float2(c, 0.0f), values);
    } else if (t.form == QUARTIC) {
        e = quartic(c, values[0], coefficients(values + 1));
    } else if (t.form == RESTRICTED) {
        const float k = values[4];
        const float floored = fmaxf(sin2, SIN2_FLOOR);
        const float4 reversed = make_float4(values[3], values[2], values[1], values[0]);
        e = quartic(c, values[5] + k / floored, reversed);
        // d(1 / sin^2) = 2 c / sin^4 dc
        e.slope += sin2 > SIN2_FLOOR ? 2.0f * k * c / (floored * floored) : 0.0f;
    } else {
        const float sine = sqrtf(sin2);
        const float2 theta = atan2_parts(sine, c);
        if (t.form == ANGLE_RAW) {
            e = harmonic(theta, values);
        } else {
            e = quartic(theta.x + theta.y, values[0], coefficients(values + 1));
        }
        e.slope /= -fmaxf(sine, sqrtf(SIN2_FLOOR));
    }
    // b - c a and a - c b. For unit vectors these are (a x b) x a and b x (a x b), which keep their
    // digits near 0 and pi. If a length is below the floor, a or b is not a unit vector.
    const bool is_floored = fminf(bare0, bare2) < DISTANCE_FLOOR;
    const float3 at0 = (is_floored ? b - c * a : cross(normal, a)) / length0;
    const float3 at2 = (is_floored ? a - c * b : cross(b, normal)) / length2;
    float3 gradient = -at0 - at2;
    if (t.slot == 0u) {
        gradient = at0;
    } else if (t.slot == 2u) {
        gradient = at2;
    }
    return {e.energy, e.slope * gradient};
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

// phi and its gradient by Blondel and Karplus (1996).
__device__ inline Share dihedral(
    const Tuple& t, const float* values, Position x0, Position x1, Position x2, Position x3) {
    const float3 b1 = separation(x1, x0);
    const float3 b2 = separation(x2, x1);
    const float3 b3 = separation(x3, x2);
    const float3 m = cross_of(b1, b2);
    const float3 n = cross_of(b2, b3);
    const float length2 = length_of(b2);
    const float axis = fmaxf(length2, DISTANCE_FLOOR);
    const float least = DISTANCE_FLOOR * DISTANCE_FLOOR;
    const float square1 = fmaxf(dot(b1, b1), least);
    const float square2 = fmaxf(dot(b2, b2), least);
    const float square3 = fmaxf(dot(b3, b3), least);
    const float square_m = fmaxf(dot(m, m), SIN2_FLOOR * square1 * square2);
    const float square_n = fmaxf(dot(n, n), SIN2_FLOOR * square2 * square3);
    // The second component equals |b2| b1.n, which would lose its digits where b1 is nearly
    // parallel to b2.
    const float2 both = make_float2(dot(m, n), dot(cross_of(m, n), b2 / fmaxf(length2, 1e-30f)));
    const float size = fmaxf(fabsf(both.x), fabsf(both.y));
    float2 rotation = make_float2(1.0f, 0.0f);
    if (size > 0.0f) {
        // Scale before squaring: for short bonds the squares of these products underflow in f32.
        const float3 scaled = make_float3(both.x / size, both.y / size, 0.0f);
        const float length = length_of(scaled);
        rotation = make_float2(scaled.x / length, scaled.y / length);
    }
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
    const float at0 = -axis / square_m;
    const float at3 = axis / square_n;
    const float p = dot(b1, b2) / (square_m * axis);
    const float q = dot(b3, b2) / (square_n * axis);
    float3 gradient = at0 * m;
    if (t.slot == 1u) {
        gradient = (p - at0) * m + q * n;
    } else if (t.slot == 2u) {
        gradient = -p * m - (q + at3) * n;
    } else if (t.slot == 3u) {
        gradient = at3 * n;
    }
    return {e.energy, e.slope * gradient};
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
