// Biases, potentials of variables: `crate::bias` has the equations, and `gpu::biases` the host twin of
// the layout. A kernel that imports this file declares what lib/variable needs.
#import variable

// The number of biases. Bias k belongs to variable k.
constexpr u32 BIASES = 1u;
// The rows of numbers: 1, or one for each state of a ladder or for each replica.
constexpr u32 ROWS = 1u;
// The place of the numbers in `variables`.
constexpr u32 NUMBERS = 0u;

// The numbers of a bias in a row. A harmonic bias has the range from its center to its center.
struct Spring {
    float k;
    float lower;
    float upper;
};

__device__ inline Spring spring_at(u32 k, u32 row, const Here& here) {
    const u32 at = NUMBERS + 3u * (BIASES * min(row, ROWS - 1u) + k);
    return {here.real(at), here.real(at + 1u), here.real(at + 2u)};
}

// How far q is above the range; negative below it.
__device__ inline float excess(const Spring& s, float q) {
    return fminf(q - s.lower, 0.0f) + fmaxf(q - s.upper, 0.0f);
}

// The same for the value of a variable. The angle of a dihedral is first moved by a multiple of 2 pi
// next to the middle of the range.
__device__ inline float excess_of(const Spring& s, u32 kind, float q) {
    if (kind == VARIABLE_DIHEDRAL) {
        const float turns = floorf((q - 0.5f * (s.lower + s.upper) + PI) / (2.0f * PI));
        return excess(s, q - turns * (2.0f * PI));
    }
    return excess(s, q);
}

// The energy of bias k with the numbers of a row, kcal/mol. All threads of the block call it.
__device__ inline float bias_energy(u32 k, u32 row, const Evaluated& e, const Here& here) {
    const Spring s = spring_at(k, row, here);
    const Variable v = variable_at(k, here);
    if (v.kind != VARIABLE_POSITION) {
        const float x = excess_of(s, v.kind, e.value);
        return s.k * (x * x);
    }
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < v.count; i += WORKGROUP) {
        const float x = excess(s, length_of(displacement(v, here, i)));
        sum += x * x;
    }
    return s.k * workgroup_sum(sum);
}

// The force of bias k on a bead of the replica, counted from its first bead.
__device__ inline float3 bias_force(
    u32 k, u32 row, const Evaluated& e, const Here& here, u32 bead) {
    const Spring s = spring_at(k, row, here);
    const Variable v = variable_at(k, here);
    if (v.kind != VARIABLE_POSITION) {
        const float slope = 2.0f * s.k * excess_of(s, v.kind, e.value);
        return -slope * gradient(k, e, here, bead);
    }
    const u32 number = table_word(v, here, bead);
    if (number == 0u) {
        return three(0.0f);
    }
    const float3 moved = displacement(v, here, number - 1u);
    const float distance = length_of(moved);
    return (-2.0f * s.k * excess(s, distance)) * unit_of(moved, distance);
}
