// A row of edges is divided into SEGMENTS segments of equal length. Each is summed in the order of
// its edges; then the sums are added in pairs, pairs of pairs, and so on. Any number of invocations
// that share a row gives exactly this sum.
//
// The kernel declares `reach` and, in workgroup memory, `part`.

const SEGMENTS: u32 = 8u;
// Invocations of a group, each with one quad of channels.
const LANES: u32 = 32u;
// Groups that share a row. Each takes PER_GROUP consecutive segments.
const SPLIT: u32 = 8u;
const PER_GROUP: u32 = SEGMENTS / SPLIT;
const ROWS: u32 = WORKGROUP / LANES / SPLIT;
const_assert SEGMENTS == 8u && (SPLIT == 4u || SPLIT == 8u);

// Quads of four channels.
const QUADS: u32 = 32u;

// Edges per segment of the row from reach.x to reach.y; the last segments may have fewer.
fn segment_length(reach: vec4<u32>) -> u32 {
    return (reach.y - reach.x + SEGMENTS - 1u) / SEGMENTS;
}

// First edge and end of segment k.
fn segment(reach: vec4<u32>, k: u32) -> vec2<u32> {
    return min(reach.x + vec2<u32>(k, k + 1u) * segment_length(reach), reach.yy);
}

// The longest segment of the rows of a workgroup, so that all invocations reach the same barriers.
fn longest_segment(first_row: u32) -> u32 {
    var longest = 0u;
    for (var i = first_row; i < min(first_row + ROWS, params.n_beads); i++) {
        longest = max(longest, segment_length(reach[i]));
    }
    return longest;
}

fn four_parts(at: u32) -> vec4<f32> {
    return (part[at] + part[at + LANES]) + (part[at + 2u * LANES] + part[at + 3u * LANES]);
}

// The sum of one element of `part` over all groups of a row; the argument is the place of the first
// group's element.
fn joined(at: u32) -> vec4<f32> {
    if SPLIT == 4u {
        return four_parts(at);
    }
    return four_parts(at) + four_parts(at + 4u * LANES);
}
