// A row of edges is summed in SEGMENTS parts of equal length, each in the order of its edges; the
// parts are joined in pairs, pairs of pairs, and so on. Any number of invocations that share a row
// computes exactly that.

const SEGMENTS: u32 = 8u;
// Invocations that walk along the edges together, each with four channels of its own.
const LANES: u32 = 32u;
// Groups of such invocations that share a row, each with consecutive segments.
const SPLIT: u32 = 8u;
const PER_GROUP: u32 = SEGMENTS / SPLIT;
const GROUPS: u32 = WORKGROUP / LANES;
const ROWS: u32 = GROUPS / SPLIT;

// Channels in fours.
const QUADS: u32 = 32u;

// First edge and end of a segment of a row from reach.x to reach.y.
fn segment(reach: vec4<u32>, k: u32) -> vec2<u32> {
    let length = (reach.y - reach.x + SEGMENTS - 1u) / SEGMENTS;
    return min(reach.x + vec2<u32>(k, k + 1u) * length, reach.yy);
}
