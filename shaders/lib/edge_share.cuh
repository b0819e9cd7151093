// The threads of a group process the same edges. Each of them looks up one edge and stores what all
// need to know of it in shared memory, so that each edge is loaded and decoded once.
#import edge
#import row
#import filter_table_read

// Quads of words per interval of the table.
constexpr u32 TABLE_STRIDE = 96u;

// Edge e if it is before `end`; otherwise an edge to the first bead with filters 0.
__device__ inline uint2 edge_or_nothing(const uint2* __restrict__ edge, u32 e, u32 end) {
    return e < end ? edge[e] : make_uint2(0u, 0u);
}

// Offset of the sender's features, offset of the coefficients of the interval, t.
struct __align__(16) SharedEdge {
    u32 features;
    u32 coefficients;
    u32 t;
    u32 unused;
};

__device__ inline SharedEdge shared_of(const Params* params, u32 first_bead, uint2 edge) {
    const u32 features = sender(params, first_bead, edge) * QUADS;
    const u32 coefficients = interval(params, edge) * TABLE_STRIDE;
    return {features, coefficients, t_bits(float_of_bits(edge.y)), 0u};
}
