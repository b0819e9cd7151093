// prior_bonded -- terms of two, three and four bonded beads, gathered by bead
//
//   bond                k (r - x0)^2 + v0
//   angle               k (q - x0)^2 + v0,  q = cos theta or theta
//   quartic angle       v0 + sum_n k_n q^n, n = 1..4
//   restricted quartic  a c^4 + b c^3 + c' c^2 + d c + k / sin^2 theta + v0,  c = cos theta
//   improper            k (q - x0)^2 + v0,  q = phi or phi shifted by pi into (-pi, pi]
//   dihedral            v0 + sum_n k1_n sin(n phi) + k2_n cos(n phi)
//
// A bead computes every tuple it is in and keeps its own share of the gradient, so that nothing is
// scattered. A tuple's energy goes to its first bead. Forces start here: from the external ones
// where there are any, else from 0. Denominators have the floors of `model::prior`, so that
// degenerate geometry gives finite forces.
//
// Bonds are stiff: positions rounded to f32 would shake them, and heat a long run. So the beads of
// a tuple are seen from one another, with both numbers of a position.
//
// reads   bead, position, position_low [n_beads] Å, external_force [n_beads], tuple_row [rows of
//         all molecules + 1], tuples, values
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   overwritten
// grid    LANES threads per bead; partial sums joined in a tree of fixed shape
// twin    prior_bonded.wgsl, src/reference/prior.rs
#import params
#import math

constexpr u32 WORKGROUP = 64u;
// Threads that share the tuples of a bead; a power of 2, at most a warp.
constexpr u32 LANES = 8u;
// Forms; the host twin is `gpu::priors`.
constexpr u32 BOND = 0u;
constexpr u32 ANGLE = 1u;
constexpr u32 ANGLE_RAW = 2u;
constexpr u32 QUARTIC = 3u;
constexpr u32 QUARTIC_RAW = 4u;
constexpr u32 RESTRICTED = 5u;
constexpr u32 DIHEDRAL = 6u;
constexpr u32 IMPROPER = 7u;
constexpr u32 IMPROPER_SHIFTED = 8u;
// Floors of denominators: sin^2 theta, and a distance in Å.
constexpr float SIN2_FLOOR = 1e-8f;
constexpr float DISTANCE_FLOOR = 1e-4f;

// A tuple as one of its beads sees it.
struct Tuple {
    // Local bead numbers.
    uint4 beads;
    u32 form;
    // Which of the tuple's beads this one is.
    u32 slot;
    // Prior term, in the model's order.
    u32 term;
    // Fourier terms.
    u32 degree;
    // First of its parameters.
    u32 values;
    u32 padding0;
    u32 padding1;
    u32 padding2;
};
static_assert(sizeof(Tuple) == 48, "the host's layout");

// Energy of a tuple and its gradient with respect to the bead that looks at it.
struct Share {
    float energy;
    float3 gradient;
};

// Energy or a part of it, and its slope.
struct Slope {
    float energy;
    float slope;
};

// A position in two numbers.
struct Place {
    float3 high;
    float3 low;
};

// From `b` to `a`, Å.
__device__ inline float3 apart(Place a, Place b) {
    return (a.high - b.high) + (a.low - b.low);
}

// k (q - x0)^2 + v0, k, x0 and v0 being the values.
__device__ inline Slope harmonic(float q, const float* values) {
    const float offset = q - values[1];
    return {fmaf(values[0] * offset, offset, values[2]), 2.0f * values[0] * offset};
}

// v0 + k1 q + k2 q^2 + k3 q^3 + k4 q^4
__device__ inline Slope quartic(float q, float v0, float4 k) {
    return {
        fmaf(fmaf(fmaf(fmaf(k.w, q, k.z), q, k.y), q, k.x), q, v0),
        fmaf(fmaf(fmaf(4.0f * k.w, q, 3.0f * k.z), q, 2.0f * k.y), q, k.x)};
}

__device__ inline float4 coefficients(const float* values) {
    return make_float4(values[0], values[1], values[2], values[3]);
}

__device__ inline Share bond(const Tuple& t, const float* values, Place x0, Place x1) {
    const float3 a = apart(x0, x1);
    const float r = length_of(a);
    const Slope e = harmonic(r, values);
    const float toward = t.slot == 0u ? 1.0f : -1.0f;
    return {e.energy, (e.slope * toward / fmaxf(r, DISTANCE_FLOOR)) * a};
}

__device__ inline Share angle(const Tuple& t, const float* values, Place x0, Place x1, Place x2) {
    const float3 to0 = apart(x0, x1);
    const float3 to2 = apart(x2, x1);
    const float length0 = fmaxf(length_of(to0), DISTANCE_FLOOR);
    const float length2 = fmaxf(length_of(to2), DISTANCE_FLOOR);
    const float3 a = to0 / length0;
    const float3 b = to2 / length2;
    const float c = dot(a, b);
    const float3 normal = cross(a, b);
    const float sin2 = dot(normal, normal);
    // The slope is that with respect to c.
    Slope e;
    if (t.form == ANGLE) {
        e = harmonic(c, values);
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
        const float theta = atan2_of(sine, c);
        if (t.form == ANGLE_RAW) {
            e = harmonic(theta, values);
        } else {
            e = quartic(theta, values[0], coefficients(values + 1));
        }
        e.slope /= -fmaxf(sine, sqrtf(SIN2_FLOOR));
    }
    const float3 at0 = (b - c * a) / length0;
    const float3 at2 = (a - c * b) / length2;
    float3 gradient = -at0 - at2;
    if (t.slot == 0u) {
        gradient = at0;
    } else if (t.slot == 2u) {
        gradient = at2;
    }
    return {e.energy, e.slope * gradient};
}

// The Fourier series, by rotation; `rotation` is (cos phi, sin phi).
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

// phi and its gradient after Blondel and Karplus (1996).
__device__ inline Share dihedral(
    const Tuple& t, const float* values, Place x0, Place x1, Place x2, Place x3) {
    const float3 b1 = apart(x1, x0);
    const float3 b2 = apart(x2, x1);
    const float3 b3 = apart(x3, x2);
    const float3 m = cross(b1, b2);
    const float3 n = cross(b2, b3);
    const float length2 = length_of(b2);
    const float axis = fmaxf(length2, DISTANCE_FLOOR);
    const float least = DISTANCE_FLOOR * DISTANCE_FLOOR;
    const float square1 = fmaxf(dot(b1, b1), least);
    const float square2 = fmaxf(dot(b2, b2), least);
    const float square3 = fmaxf(dot(b3, b3), least);
    const float square_m = fmaxf(dot(m, m), SIN2_FLOOR * square1 * square2);
    const float square_n = fmaxf(dot(n, n), SIN2_FLOOR * square2 * square3);
    const float2 both = make_float2(dot(m, n), length2 * dot(b1, n));
    const float size = fmaxf(fabsf(both.x), fabsf(both.y));
    float2 rotation = make_float2(1.0f, 0.0f);
    if (size > 0.0f) {
        // The squares of short bonds' products are below f32: scale before they are taken.
        const float3 scaled = make_float3(both.x / size, both.y / size, 0.0f);
        const float length = length_of(scaled);
        rotation = make_float2(scaled.x / length, scaled.y / length);
    }
    Slope e;
    if (t.form == DIHEDRAL) {
        e = fourier(t.degree, values, rotation);
    } else {
        float phi = atan2_of(rotation.y, rotation.x);
        if (t.form == IMPROPER_SHIFTED) {
            phi = (phi < 0.0f ? phi + 2.0f * PI : phi) - PI;
        }
        e = harmonic(phi, values);
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
    const float4* __restrict__ position,
    const float4* __restrict__ position_low,
    const float4* __restrict__ external_force,
    const u32* __restrict__ tuple_row,
    const Tuple* __restrict__ tuples,
    const float* __restrict__ values,
    float4* __restrict__ force) {
    const u32 i = workgroup_number() * (WORKGROUP / LANES) + threadIdx.x / LANES;
    const u32 mine = threadIdx.x % LANES;
    float3 sum = three(0.0f);
    float energy = 0.0f;
    if (i < params->n_beads) {
        const Bead me = bead[i];
        const auto place = [&](u32 local) {
            const u32 j = me.first + local;
            return Place{xyz(position[j]), xyz(position_low[j])};
        };
        const u32 end = tuple_row[me.row + 1u];
        for (u32 k = tuple_row[me.row] + mine; k < end; k += LANES) {
            const Tuple t = tuples[k];
            if (params->term != ALL_TERMS && params->term != t.term) {
                continue;
            }
            const float* own = values + t.values;
            const Place x0 = place(t.beads.x);
            const Place x1 = place(t.beads.y);
            Share share;
            if (t.form == BOND) {
                share = bond(t, own, x0, x1);
            } else if (t.form < DIHEDRAL) {
                share = angle(t, own, x0, x1, place(t.beads.z));
            } else {
                const Place x2 = place(t.beads.z);
                share = dihedral(t, own, x0, x1, x2, place(t.beads.w));
            }
            sum -= share.gradient;
            energy += t.slot == 0u ? share.energy : 0.0f;
        }
    }
    float4 total = tree_sum<LANES>(with_w(sum, energy));
    if (mine == 0u && i < params->n_beads) {
        if (params->with_external == 1u) {
            total += with_w(xyz(external_force[i]), 0.0f);
        }
        force[i] = total;
    }
}
