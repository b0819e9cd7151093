// An edge in packed form: x holds the sender's number in its replica and, in the bits above, the
// interval of the distance; y holds t, the distance from the middle of the interval, in the unit of
// the table. Interval 0 has filters 0.
#import params
#import vector

__device__ inline uint2 edge_of(const Params* params, u32 bead, u32 interval, float t) {
    return make_uint2(bead | (interval << params->bead_bits), bits_of(t));
}

// `first` is the replica's first bead.
__device__ inline u32 sender(const Params* params, u32 first, uint2 edge) {
    return first + (edge.x & ((1u << params->bead_bits) - 1u));
}

__device__ inline u32 interval(const Params* params, uint2 edge) {
    return edge.x >> params->bead_bits;
}
