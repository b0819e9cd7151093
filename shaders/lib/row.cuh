// A row of edges is summed in SEGMENTS parts of equal length, each in the order of its edges; the
// parts are joined in pairs, pairs of pairs, and so on. Any number of threads that share a row
// computes exactly that.
//
// The kernel declares WORKGROUP.
#import vector

constexpr u32 SEGMENTS = 8u;
// Threads of a group, each with four channels of its own; all of one warp.
constexpr u32 LANES = 32u;
// Groups that share a row, each with consecutive segments.
constexpr u32 SPLIT = 8u;
constexpr u32 PER_GROUP = SEGMENTS / SPLIT;
constexpr u32 ROWS = WORKGROUP / LANES / SPLIT;
static_assert(SEGMENTS == 8u && (SPLIT == 4u || SPLIT == 8u), "parts are joined in fours");
static_assert(32u % LANES == 0u && WORKGROUP % 32u == 0u, "groups stay within warps");
static_assert(ROWS > 0u, "a row is not shared by several blocks");

// Channels in fours.
constexpr u32 QUADS = 32u;

// Edges of a segment of a row from reach.x to reach.y; the last ones have fewer.
__device__ inline u32 segment_length(uint4 reach) {
    return (reach.y - reach.x + SEGMENTS - 1u) / SEGMENTS;
}

// First edge and end of a segment.
__device__ inline uint2 segment(uint4 reach, u32 k) {
    const u32 length = segment_length(reach);
    return make_uint2(
        min(reach.x + k * length, reach.y), min(reach.x + (k + 1u) * length, reach.y));
}

// Of the rows of a warp, from the length of a thread's own, so that all of it meets at barriers.
__device__ inline u32 longest_segment(u32 length) {
    for (u32 step = LANES; step < 32u; step *= 2u) {
        length = max(length, __shfl_xor_sync(~0u, length, step));
    }
    return length;
}

__device__ inline float4 four_parts(const float4* part) {
    return (part[0] + part[LANES]) + (part[2u * LANES] + part[3u * LANES]);
}

// The sum of the `part` at this place of the first group of a row, and those of the others.
__device__ inline float4 joined(const float4* part) {
    if (SPLIT == 4u) {
        return four_parts(part);
    }
    return four_parts(part) + four_parts(part + 4u * LANES);
}
