// Filters of an edge from the table of a block: W = c0 + c1 t + c2 t^2 + c3 t^3, with t the
// distance from the middle of the interval in Å. Each interval has a row of c0, a row of c1, and a
// row in which c2 and c3 share a word. c2 and c3 are floats of 14 and of 8 significant bits, each
// with five bits of exponent, in units of `params->higher`; shifts turn them into f32.
#import row
#import stored

using Coefficients = uint4;

struct Cubic {
    float4 c0;
    float4 c1;
    // In units of `params->higher`.
    float4 c2;
    float4 c3;
    float t;
};

// t in the format of edges in shared memory.
__device__ inline u32 t_bits(float t) { return bits_of(t); }

// Moves sign, exponent and mantissa of a short float at the top of a word to their places in f32.
__device__ inline float float_of(u32 word, u32 mask) {
    return float_of_bits(static_cast<u32>(static_cast<i32>(word) >> 3) & mask);
}

__device__ inline float4 floats_of(uint4 word, u32 shift, u32 mask) {
    return make_float4(
        float_of(word.x << shift, mask), float_of(word.y << shift, mask),
        float_of(word.z << shift, mask), float_of(word.w << shift, mask));
}

__device__ inline float4 floats_of_bits(uint4 x) {
    return make_float4(
        float_of_bits(x.x), float_of_bits(x.y), float_of_bits(x.z), float_of_bits(x.w));
}

// Coefficients of the four channels at `at`.
__device__ inline Cubic coefficients(const Coefficients* __restrict__ table, u32 at, u32 t) {
    const uint4 both = table[at + 2u * QUADS];
    return {
        floats_of_bits(table[at]),
        floats_of_bits(table[at + QUADS]),
        floats_of(both, 0u, 0x8ffffc00u),
        floats_of(both, 19u, 0x8fff0000u),
        float_of_bits(t),
    };
}

__device__ inline float4 value(const Params* params, const Cubic& c) {
    const float4 t = four(c.t), higher = four(params->higher * c.t);
    return fma(fma(fma(c.c3, t, c.c2), higher, c.c1), t, c.c0);
}

// Value and slope with respect to d, by one Horner scheme.
struct Jet {
    float4 value;
    float4 slope;
};

__device__ inline Jet value_and_slope(const Params* params, const Cubic& c) {
    const float4 t = four(c.t), higher = four(params->higher * c.t);
    const float4 w2 = fma(c.c3, t, c.c2);
    const float4 w1 = fma(w2, higher, c.c1);
    const float4 slope = fma(fma(c.c3, t, w2), higher, w1);
    return {fma(w1, t, c.c0), slope};
}
