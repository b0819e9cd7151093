// The angle theta at the middle of three beads and the dihedral angle phi of four, with their
// gradients. Denominators have the floors of `model::prior`, so that degenerate geometry gives finite
// gradients.
#import math

// Floors of denominators: sin^2 theta, and a distance in Å; the host twin is `model::prior`.
constexpr float SIN2_FLOOR = 1e-8f;
constexpr float DISTANCE_FLOOR = 1e-4f;

struct Bend {
    float cosine;
    // sin^2 theta
    float sin2;
    // Gradient of cos theta with respect to the first and the third bead.
    float3 at0;
    float3 at2;
};

// theta between the separations from the middle bead to the first and to the third.
__device__ inline Bend bend_of(float3 to0, float3 to2) {
    const float bare0 = length_of(to0);
    const float bare2 = length_of(to2);
    const float length0 = fmaxf(bare0, DISTANCE_FLOOR);
    const float length2 = fmaxf(bare2, DISTANCE_FLOOR);
    const float3 a = to0 / length0;
    const float3 b = to2 / length2;
    const float c = dot(a, b);
    const float3 normal = cross_of(to0, to2) / (length0 * length2);
    // b - c a and a - c b. For unit vectors these are (a x b) x a and b x (a x b), which keep their
    // digits near 0 and pi. If a length is below the floor, a or b is not a unit vector.
    const bool is_floored = fminf(bare0, bare2) < DISTANCE_FLOOR;
    const float3 at0 = (is_floored ? b - c * a : cross(normal, a)) / length0;
    const float3 at2 = (is_floored ? a - c * b : cross(b, normal)) / length2;
    return {c, dot(normal, normal), at0, at2};
}

// Gradient of cos theta with respect to bead `slot` of the three.
__device__ inline float3 bend_gradient(const Bend& bend, u32 slot) {
    return slot == 0u ? bend.at0 : slot == 2u ? bend.at2 : -bend.at0 - bend.at2;
}

// sin theta for a denominator: d theta = -d(cos theta) / sin theta.
__device__ inline float floored_sine(const Bend& bend) {
    return fmaxf(sqrtf(bend.sin2), sqrtf(SIN2_FLOOR));
}

// phi and the parts of its gradient by Blondel and Karplus (1996).
struct Torsion {
    // (cos phi, sin phi)
    float2 rotation;
    float3 m;
    float3 n;
    float at0;
    float at3;
    float p;
    float q;
};

// phi of the bonds from each bead to the next.
__device__ inline Torsion torsion_of(float3 b1, float3 b2, float3 b3) {
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
    const float p = dot(b1, b2) / (square_m * axis);
    const float q = dot(b3, b2) / (square_n * axis);
    return {rotation, m, n, -axis / square_m, axis / square_n, p, q};
}

// Gradient of phi with respect to bead `slot` of the four.
__device__ inline float3 torsion_gradient(const Torsion& t, u32 slot) {
    if (slot == 1u) {
        return (t.p - t.at0) * t.m + t.q * t.n;
    } else if (slot == 2u) {
        return -t.p * t.m - (t.q + t.at3) * t.n;
    } else if (slot == 3u) {
        return t.at3 * t.n;
    }
    return t.at0 * t.m;
}
