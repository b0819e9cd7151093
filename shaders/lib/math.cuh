// Elementary functions with the same operations in WGSL and CUDA C: built-in functions differ
// between drivers by up to 2e-4. Errors are a few units in the last place over the ranges used
// here.
#import vector

constexpr float PI = 3.14159265f;
constexpr float HALF_PI = 1.57079633f;
// pi / 2 - HALF_PI
constexpr float HALF_PI_REST = -4.37113883e-8f;
constexpr float LN2 = 0.69314718f;

// e^x: 0 below -87.7, infinite above 88.4. A NaN may give any of them. x = n ln 2 + r with ln 2 in
// two parts (Cody and Waite), then the Taylor series of e^r to r^7. At the bounds of n the bits of
// the power of two are those of 0 and of infinity.
__device__ inline float exp_of(float x) {
    const float clamped = fminf(fmaxf(x, -88.0f), 89.0f);
    const float n = rintf(clamped * 1.44269504f);
    const float r = fmaf(n, 2.12194440e-4f, fmaf(n, -0.693359375f, clamped));
    float p = 1.98412698e-4f;
    p = fmaf(p, r, 1.38888889e-3f);
    p = fmaf(p, r, 8.33333333e-3f);
    p = fmaf(p, r, 4.16666667e-2f);
    p = fmaf(p, r, 0.166666667f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    return p * float_of_bits(u32(i32(n) + 127) << 23u);
}

// ln(1 + y) for y in [sqrt(1/2) - 1, 1]: 2 atanh(s) with s = y / (2 + y), |s| <= 1/3.
__device__ inline float log1p_of(float y) {
    const float s = y / (2.0f + y);
    const float z = s * s;
    float p = 6.66666667e-2f;
    p = fmaf(p, z, 7.69230769e-2f);
    p = fmaf(p, z, 9.09090909e-2f);
    p = fmaf(p, z, 0.111111111f);
    p = fmaf(p, z, 0.142857143f);
    p = fmaf(p, z, 0.2f);
    p = fmaf(p, z, 0.333333333f);
    return 2.0f * fmaf(p * z, s, s);
}

// ln x for normal x > 0.
__device__ inline float log_of(float x) {
    const u32 bits = bits_of(x);
    i32 exponent = i32(bits >> 23u) - 127;
    float mantissa = float_of_bits((bits & 0x007fffffu) | 0x3f800000u);
    if (mantissa > 1.41421356f) {
        mantissa = mantissa * 0.5f;
        exponent = exponent + 1;
    }
    return fmaf(float(exponent), LN2, log1p_of(mantissa - 1.0f));
}

// tanh x and its slope. The slope is accurate relative to itself, which 1 - tanh^2 is not where tanh
// is about 1. For |x| < 0.625 tanh is an odd polynomial (coefficients of Cephes' tanhf).
__device__ inline float2 tanh_and_slope(float x) {
    const float z = x * x;
    float p = -5.70498873e-3f;
    p = fmaf(p, z, 2.06390888e-2f);
    p = fmaf(p, z, -5.37397156e-2f);
    p = fmaf(p, z, 0.133314422f);
    p = fmaf(p, z, -0.333332819f);
    const float small = fmaf(p * z, x, x);
    const float tail = 1.0f / (exp_of(2.0f * fabsf(x)) + 1.0f);
    const float large = 1.0f - 2.0f * tail;
    const float value = fabsf(x) < 0.625f ? small : (x < 0.0f ? -large : large);
    return make_float2(value, 4.0f * tail * (1.0f - tail));
}

// (cos, sin)(pi x): reduced to |r| <= 1/2, then the Taylor series in (pi r)^2.
__device__ inline float2 cos_sin_pi(float x) {
    const float n = rintf(x);
    const float r = (x - n) * PI;
    const float z = r * r;
    float c = 2.08767570e-9f;
    c = fmaf(c, z, -2.75573192e-7f);
    c = fmaf(c, z, 2.48015873e-5f);
    c = fmaf(c, z, -1.38888889e-3f);
    c = fmaf(c, z, 4.16666667e-2f);
    c = fmaf(c, z, -0.5f);
    c = fmaf(c, z, 1.0f);
    float s = 1.60590438e-10f;
    s = fmaf(s, z, -2.50521084e-8f);
    s = fmaf(s, z, 2.75573192e-6f);
    s = fmaf(s, z, -1.98412698e-4f);
    s = fmaf(s, z, 8.33333333e-3f);
    s = fmaf(s, z, -0.166666667f);
    s = fmaf(s * z, r, r);
    const bool odd = (i32(n) & 1) == 1;
    return odd ? make_float2(-c, -s) : make_float2(c, s);
}

// atan2 in (-pi, pi] as the sum of a multiple of HALF_PI and a rest, so that the difference from an
// angle near pi keeps its digits. The code takes atan of the smaller over the larger magnitude,
// halves the angle once by atan t = 2 atan(t / (1 + sqrt(1 + t^2))), then sums the Taylor series
// for |t| <= 0.4143.
__device__ inline float2 atan2_parts(float y, float x) {
    const float large = fmaxf(fabsf(x), fabsf(y));
    if (large == 0.0f) {
        return make_float2(0.0f, 0.0f);
    }
    const float ratio = fminf(fabsf(x), fabsf(y)) / large;
    const float t = ratio / (1.0f + sqrtf(fmaf(ratio, ratio, 1.0f)));
    const float z = t * t;
    float p = 5.26315789e-2f;
    p = fmaf(p, -z, 5.88235294e-2f);
    p = fmaf(p, -z, 6.66666667e-2f);
    p = fmaf(p, -z, 7.69230769e-2f);
    p = fmaf(p, -z, 9.09090909e-2f);
    p = fmaf(p, -z, 0.111111111f);
    p = fmaf(p, -z, 0.142857143f);
    p = fmaf(p, -z, 0.2f);
    p = fmaf(p, -z, 0.333333333f);
    float quarters = 0.0f;
    float rest = 2.0f * fmaf(p * -z, t, t);
    if (fabsf(y) > fabsf(x)) {
        quarters = 1.0f;
        rest = -rest;
    }
    if (x < 0.0f) {
        quarters = 2.0f - quarters;
        rest = -rest;
    }
    const float2 parts = make_float2(quarters * HALF_PI, fmaf(quarters, HALF_PI_REST, rest));
    return y < 0.0f ? make_float2(-parts.x, -parts.y) : parts;
}

__device__ inline float atan2_of(float y, float x) {
    const float2 parts = atan2_parts(y, x);
    return parts.x + parts.y;
}

// The length of v, refined by one Newton step as in WGSL.
__device__ inline float length_of(float3 v) {
    const float square = dot(v, v);
    const float root = sqrtf(square);
    if (root == 0.0f) {
        return 0.0f;
    }
    return fmaf(fmaf(-root, root, square), 0.5f / root, root);
}

// v / length, the direction of a force along v; 0 for beads in one place, between which there is no
// direction.
__device__ inline float3 unit_of(float3 v, float length) { return v / fmaxf(length, 1e-4f); }

// a b - c d within 2 units in the last place (Kahan): the plain difference loses digits where the
// products are close to each other.
__device__ inline float product_difference(float a, float b, float c, float d) {
    const float taken = c * d;
    return fmaf(a, b, -taken) + fmaf(-c, d, taken);
}

// a x b; keeps the digits of nearly parallel vectors.
__device__ inline float3 cross_of(float3 a, float3 b) {
    return make_float3(
        product_difference(a.y, b.z, a.z, b.y),
        product_difference(a.z, b.x, a.x, b.z),
        product_difference(a.x, b.y, a.y, b.x));
}

// Whether x is NaN or infinite, by its bits: some compilers drop x != x.
__device__ inline bool is_broken(float x) {
    return (bits_of(x) & 0x7f800000u) == 0x7f800000u;
}

// y, or NaN if x is broken: for functions that would make a number of a NaN, or of a sum that left
// the range of f32 and whose sign is therefore unknown.
__device__ inline float unless_broken(float y, float x) {
    return is_broken(x) ? float_of_bits(bits_of(x) | 0x7fc00000u) : y;
}
