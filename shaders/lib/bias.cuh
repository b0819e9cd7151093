// Biases, potentials of variables: `crate::bias` has the equations, and `gpu::biases` the host twin of
// the layout. A kernel that imports this file declares what lib/variable needs.
#import variable
#import spring

// `excess` for the value of a variable. The angle of a dihedral is first moved by a multiple of 2 pi
// next to the middle of the range.
__device__ inline float excess_of(const Spring& s, u32 kind, float q) {
    if (kind == VARIABLE_DIHEDRAL) {
        return excess(s, q - turns_of(s, q) * (2.0f * PI));
    }
    return excess(s, q);
}

// The energy of bias k with the numbers of a row, kcal/mol. All threads of the block call it.
__device__ inline float bias_energy(u32 k, u32 row, const Evaluated& e, const Here& here) {
    const Spring s = spring_at(k, row, here.variables);
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
    const Spring s = spring_at(k, row, here.variables);
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
