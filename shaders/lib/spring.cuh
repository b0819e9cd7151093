// The numbers of biases, which are behind the variables in `variables`. `gpu::biases` is the host twin
// of the layout.
#import math

// The number of biases. Bias k belongs to variable k.
__device__ inline u32 n_biases(const u32* variables) { return variables[0]; }

// The rows of numbers: 1, or one for each state of a ladder or for each replica.
__device__ inline u32 n_rows(const u32* variables) { return variables[1]; }

// The numbers of a bias in a row. A harmonic bias has the range from its center to its center.
struct Spring {
    float k;
    float lower;
    float upper;
};

// The place of the numbers of bias k in a row.
__device__ inline u32 spring_place(u32 k, u32 row, const u32* variables) {
    return variables[2] + 3u * (n_biases(variables) * min(row, n_rows(variables) - 1u) + k);
}

__device__ inline Spring spring_at(u32 k, u32 row, const u32* variables) {
    const u32 at = spring_place(k, row, variables);
    return {
        float_of_bits(variables[at]), float_of_bits(variables[at + 1u]),
        float_of_bits(variables[at + 2u])};
}

// How far q is above the range; negative below it.
__device__ inline float excess(const Spring& s, float q) {
    return fminf(q - s.lower, 0.0f) + fmaxf(q - s.upper, 0.0f);
}

// The multiple of 2 pi that moves the angle of a dihedral next to the middle of the range.
__device__ inline float turns_of(const Spring& s, float q) {
    return floorf((q - 0.5f * (s.lower + s.upper) + PI) / (2.0f * PI));
}
