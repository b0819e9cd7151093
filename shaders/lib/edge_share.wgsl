// The invocations of a group process the same edges. Each of them looks up one edge and stores what
// all need to know of it in workgroup memory, so that each edge is loaded and decoded once.
#import edge

// Quads of words per interval of the table.
const TABLE_STRIDE: u32 = 96u;

// Edge e if it is before `end`; otherwise an edge to the first bead with filters 0.
fn edge_or_nothing(e: u32, end: u32) -> vec2<u32> {
    if e < end {
        return edge[e];
    }
    return vec2<u32>(0u);
}

// The bits of: offset of the sender's features, offset of the coefficients of the interval, t.
fn shared_of(first_bead: u32, edge: vec2<u32>) -> vec4<f32> {
    let features = sender(first_bead, edge) * QUADS;
    let t = t_bits(bitcast<f32>(edge.y));
    return bitcast<vec4<f32>>(vec4<u32>(features, interval(edge) * TABLE_STRIDE, t, 0u));
}
