// Of the edges that lanes walk along together each looks up one, and leaves what all need to know
// of it in shared memory: only one of them waits for it, and none finds it out twice.
#import edge
#import row
#import filter_table_read

// Fours of words that an interval of the table has, and the interval whose filters are all 0.
constexpr u32 TABLE_STRIDE = 96u;
constexpr u32 NOTHING = 0u;

// An edge before `end`, or in place of one beyond it an edge to the first bead that adds 0.
__device__ inline uint2 edge_or_nothing(const uint2* __restrict__ edge, u32 e, u32 end) {
    return e < end ? edge[e] : make_uint2(NOTHING << BEAD_BITS, 0u);
}

// Where the sender's features begin, where the coefficients of the interval do, t.
struct __align__(16) SharedEdge {
    u32 features;
    u32 coefficients;
    u32 t;
    u32 unused;
};

__device__ inline SharedEdge shared_of(u32 first_bead, uint2 edge) {
    const u32 features = sender(first_bead, edge) * QUADS;
    return {features, interval(edge) * TABLE_STRIDE, t_bits(float_of_bits(edge.y)), 0u};
}
