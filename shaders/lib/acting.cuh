// The force that acts on a bead in a half kick.

// The weight of the slow force. In dynamics with multiple time steps it is the number of steps of an
// outer step in the first and the last half kick, and 0 between them; else it is 1.
constexpr float SLOW_WEIGHT = 1.0f;
// Whether the buffer `force` has the bias range.
constexpr bool HAS_BIAS = false;

// The force on bead i, kcal/mol/Å; w: its energy, kcal/mol. A product with 1 is exact.
__device__ inline float4 acting(const Params* params, const float4* force, u32 i) {
    float4 total = force[i];
    if constexpr (SLOW_WEIGHT != 0.0f) {
        const float4 of_network = force[slow(params, i)];
        total.x += SLOW_WEIGHT * of_network.x;
        total.y += SLOW_WEIGHT * of_network.y;
        total.z += SLOW_WEIGHT * of_network.z;
        total.w += SLOW_WEIGHT * of_network.w;
    }
    if constexpr (HAS_BIAS) {
        total += force[biased(params, i)];
    }
    return total;
}
