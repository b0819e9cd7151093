// A row of edges is summed in SEGMENTS parts of equal length, each in the order of its edges; the
// parts are joined in pairs, pairs of pairs, and so on. Any number of invocations that share a row
// computes exactly that.

#import edge

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

// The interval after all others, where every filter is 0.
const NOTHING: u32 = 0u;

// An edge before `end`, or in place of one beyond it an edge to the first bead that adds 0.
fn edge_or_nothing(e: u32, end: u32) -> vec2<u32> {
    let found = edge[min(e, end - 1u)];
    return vec2<u32>(select(NOTHING << BEAD_BITS, found.x, e < end), found.y);
}

// First edge and end of a segment of a row from reach.x to reach.y.
fn segment(reach: vec4<u32>, k: u32) -> vec2<u32> {
    let length = (reach.y - reach.x + SEGMENTS - 1u) / SEGMENTS;
    return min(reach.x + vec2<u32>(k, k + 1u) * length, reach.yy);
}

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

// The sum of what the groups of a row have, in the first of them.
fn joined(own: vec4<f32>, lane: u32, mine: u32) -> vec4<f32> {
    workgroupBarrier();
    part[lane] = own;
    workgroupBarrier();
    for (var stride = 1u; stride < SPLIT; stride *= 2u) {
        if mine % (2u * stride) == 0u {
            part[lane] += part[lane + stride * LANES];
        }
        workgroupBarrier();
    }
    return part[lane];
}
