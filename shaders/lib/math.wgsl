// Elementary functions with the same operations in WGSL and CUDA C: built-in functions differ
// between drivers by up to 2e-4. Errors are a few units in the last place over the ranges used
// here.

const PI: f32 = 3.14159265;
const HALF_PI: f32 = 1.57079633;
// pi / 2 - HALF_PI
const HALF_PI_REST: f32 = -4.37113883e-8;
const LN2: f32 = 0.69314718;

// e^x: 0 below -87.7, infinite above 88.4. A NaN may give any of them. x = n ln 2 + r with ln 2 in
// two parts (Cody and Waite), then the Taylor series of e^r to r^7. At the bounds of n the bits of
// the power of two are those of 0 and of infinity.
fn exp_of(x: f32) -> f32 {
    let clamped = clamp(x, -88.0, 89.0);
    let n = round(clamped * 1.44269504);
    let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, clamped));
    var p = 1.98412698e-4;
    p = fma(p, r, 1.38888889e-3);
    p = fma(p, r, 8.33333333e-3);
    p = fma(p, r, 4.16666667e-2);
    p = fma(p, r, 0.166666667);
    p = fma(p, r, 0.5);
    p = fma(p, r, 1.0);
    p = fma(p, r, 1.0);
    return p * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// ln(1 + y) for y in [sqrt(1/2) - 1, 1]: 2 atanh(s) with s = y / (2 + y), |s| <= 1/3.
fn log1p_of(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let z = s * s;
    var p = 6.66666667e-2;
    p = fma(p, z, 7.69230769e-2);
    p = fma(p, z, 9.09090909e-2);
    p = fma(p, z, 0.111111111);
    p = fma(p, z, 0.142857143);
    p = fma(p, z, 0.2);
    p = fma(p, z, 0.333333333);
    return 2.0 * fma(p * z, s, s);
}

// ln x for normal x > 0.
fn log_of(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var exponent = i32(bits >> 23u) - 127;
    var mantissa = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    if mantissa > 1.41421356 {
        mantissa = mantissa * 0.5;
        exponent = exponent + 1;
    }
    return fma(f32(exponent), LN2, log1p_of(mantissa - 1.0));
}

// tanh x and its slope. The slope is accurate relative to itself, which 1 - tanh^2 is not where tanh
// is about 1. For |x| < 0.625 tanh is an odd polynomial (coefficients of Cephes' tanhf).
fn tanh_and_slope(x: f32) -> vec2<f32> {
    let z = x * x;
    var p = -5.70498873e-3;
    p = fma(p, z, 2.06390888e-2);
    p = fma(p, z, -5.37397156e-2);
    p = fma(p, z, 0.133314422);
    p = fma(p, z, -0.333332819);
    let small = fma(p * z, x, x);
    let tail = 1.0 / (exp_of(2.0 * abs(x)) + 1.0);
    let large = 1.0 - 2.0 * tail;
    let value = select(select(large, -large, x < 0.0), small, abs(x) < 0.625);
    return vec2<f32>(value, 4.0 * tail * (1.0 - tail));
}

// (cos, sin)(pi x): reduced to |r| <= 1/2, then the Taylor series in (pi r)^2.
fn cos_sin_pi(x: f32) -> vec2<f32> {
    let n = round(x);
    let r = (x - n) * PI;
    let z = r * r;
    var c = 2.08767570e-9;
    c = fma(c, z, -2.75573192e-7);
    c = fma(c, z, 2.48015873e-5);
    c = fma(c, z, -1.38888889e-3);
    c = fma(c, z, 4.16666667e-2);
    c = fma(c, z, -0.5);
    c = fma(c, z, 1.0);
    var s = 1.60590438e-10;
    s = fma(s, z, -2.50521084e-8);
    s = fma(s, z, 2.75573192e-6);
    s = fma(s, z, -1.98412698e-4);
    s = fma(s, z, 8.33333333e-3);
    s = fma(s, z, -0.166666667);
    s = fma(s * z, r, r);
    let odd = (i32(n) & 1) == 1;
    return select(vec2<f32>(c, s), vec2<f32>(-c, -s), odd);
}

// atan2 in (-pi, pi] as the sum of a multiple of HALF_PI and a rest, so that the difference from an
// angle near pi keeps its digits. The code takes atan of the smaller over the larger magnitude,
// halves the angle once by atan t = 2 atan(t / (1 + sqrt(1 + t^2))), then sums the Taylor series
// for |t| <= 0.4143.
fn atan2_parts(y: f32, x: f32) -> vec2<f32> {
    let large = max(abs(x), abs(y));
    if large == 0.0 {
        return vec2<f32>(0.0);
    }
    let ratio = min(abs(x), abs(y)) / large;
    let t = ratio / (1.0 + sqrt(fma(ratio, ratio, 1.0)));
    let z = t * t;
    var p = 5.26315789e-2;
    p = fma(p, -z, 5.88235294e-2);
    p = fma(p, -z, 6.66666667e-2);
    p = fma(p, -z, 7.69230769e-2);
    p = fma(p, -z, 9.09090909e-2);
    p = fma(p, -z, 0.111111111);
    p = fma(p, -z, 0.142857143);
    p = fma(p, -z, 0.2);
    p = fma(p, -z, 0.333333333);
    var quarters = 0.0;
    var rest = 2.0 * fma(p * -z, t, t);
    if abs(y) > abs(x) {
        quarters = 1.0;
        rest = -rest;
    }
    if x < 0.0 {
        quarters = 2.0 - quarters;
        rest = -rest;
    }
    let parts = vec2<f32>(quarters * HALF_PI, fma(quarters, HALF_PI_REST, rest));
    return select(parts, -parts, y < 0.0);
}

fn atan2_of(y: f32, x: f32) -> f32 {
    let parts = atan2_parts(y, x);
    return parts.x + parts.y;
}

// The length of v, refined by one Newton step: a driver's square root may be off by 3 units in the
// last place.
fn length_of(v: vec3<f32>) -> f32 {
    let square = dot(v, v);
    let root = sqrt(square);
    if root == 0.0 {
        return 0.0;
    }
    return fma(fma(-root, root, square), 0.5 / root, root);
}

// v / length, the direction of a force along v; 0 for beads in one place, between which there is no
// direction.
fn unit_of(v: vec3<f32>, length: f32) -> vec3<f32> {
    return v / max(length, 1e-4);
}

// a x b within 2 units in the last place of each component, by fma (Kahan): the plain difference of
// products loses the digits of nearly parallel vectors.
fn cross_of(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    let taken = a.zxy * b.yzx;
    return fma(a.yzx, b.zxy, -taken) + fma(-a.zxy, b.yzx, taken);
}

// Whether x is NaN or infinite, by its bits: some compilers drop x != x.
fn is_broken(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

// y, or NaN if x is broken: for functions that would make a number of a NaN, or of a sum that left
// the range of f32 and whose sign is therefore unknown.
fn unless_broken(y: f32, x: f32) -> f32 {
    return select(y, bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u), is_broken(x));
}
