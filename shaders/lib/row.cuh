// A row of edges is divided into SEGMENTS segments of equal length. Each is summed in the order of
// its edges; then the sums are added in pairs, pairs of pairs, and so on. Any number of threads
// that share a row gives exactly this sum.
//
// The kernel declares WORKGROUP.
#import vector

constexpr u32 SEGMENTS = 8u;
// Threads of a group, each with one quad of channels. A group lies within one warp.
constexpr u32 LANES = 32u;
// Groups that share a row. Each takes PER_GROUP consecutive segments.
constexpr u32 SPLIT = 8u;
constexpr u32 PER_GROUP = SEGMENTS / SPLIT;
constexpr u32 ROWS = WORKGROUP / LANES / SPLIT;
static_assert(SEGMENTS == 8u && (SPLIT == 4u || SPLIT == 8u), "parts are joined in fours");
static_assert(32u % LANES == 0u && WORKGROUP % 32u == 0u, "groups stay within warps");
static_assert(ROWS > 0u, "a row is not shared by several blocks");

// Quads of four channels.
constexpr u32 QUADS = 32u;

// Edges per segment of the row from reach.x to reach.y; the last segments may have fewer.
__device__ inline u32 segment_length(uint4 reach) {
    return (reach.y - reach.x + SEGMENTS - 1u) / SEGMENTS;
}

// First edge and end of segment k.
__device__ inline uint2 segment(uint4 reach, u32 k) {
    const u32 length = segment_length(reach);
    return make_uint2(
        min(reach.x + k * length, reach.y), min(reach.x + (k + 1u) * length, reach.y));
}

// The longest segment of the rows of a warp, from the segment length of each thread, so that all
// threads of the warp reach the same barriers.
__device__ inline u32 longest_segment(u32 length) {
    for (u32 step = LANES; step < 32u; step *= 2u) {
        length = max(length, __shfl_xor_sync(~0u, length, step));
    }
    return length;
}

__device__ inline float4 four_parts(const float4* part) {
    return (part[0] + part[LANES]) + (part[2u * LANES] + part[3u * LANES]);
}

// The sum of one element of `part` over all groups of a row; the argument is the place of the first
// group's element.
__device__ inline float4 joined(const float4* part) {
    if (SPLIT == 4u) {
        return four_parts(part);
    }
    return four_parts(part) + four_parts(part + 4u * LANES);
}
