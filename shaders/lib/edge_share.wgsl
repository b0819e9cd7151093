// Of the edges that invocations walk along together each looks up one, and leaves what all need to
// know of it in workgroup memory: only one of them waits for it, and none finds it out twice.
#import edge

// Fours of words that an interval of the table has, and the interval whose filters are all 0.
const TABLE_STRIDE: u32 = 96u;
const NOTHING: u32 = 0u;

// An edge before `end`, or in place of one beyond it an edge to the first bead that adds 0.
fn edge_or_nothing(e: u32, end: u32) -> vec2<u32> {
    if e < end {
        return edge[e];
    }
    return vec2<u32>(NOTHING << BEAD_BITS, 0u);
}

// Bits of: where the sender's features begin, where the coefficients of the interval do, t.
fn shared_of(first_bead: u32, edge: vec2<u32>) -> vec4<f32> {
    let features = sender(first_bead, edge) * QUADS;
    let t = t_bits(bitcast<f32>(edge.y));
    return bitcast<vec4<f32>>(vec4<u32>(features, interval(edge) * TABLE_STRIDE, t, 0u));
}
