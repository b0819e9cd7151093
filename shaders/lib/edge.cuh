// An edge in packed form: x holds the sender's number in its replica and, in the bits above, the
// interval of the distance; y holds t, the distance from the middle of the interval, Å.
#import vector

// Bits for the number of a bead in its replica.
constexpr u32 BEAD_BITS = 20u;

__device__ inline uint2 edge_of(u32 bead, u32 interval, float t) {
    return make_uint2(bead | (interval << BEAD_BITS), bits_of(t));
}

// `first` is the replica's first bead.
__device__ inline u32 sender(u32 first, uint2 edge) {
    return first + (edge.x & ((1u << BEAD_BITS) - 1u));
}

__device__ inline u32 interval(uint2 edge) { return edge.x >> BEAD_BITS; }
