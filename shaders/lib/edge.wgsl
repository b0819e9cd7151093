// An edge in packed form: x holds the sender's number in its replica and, in the bits above, the
// interval of the distance; y holds t, the distance from the middle of the interval, in the unit of
// the table. Interval 0 has filters 0.

fn edge_of(bead: u32, interval: u32, t: f32) -> vec2<u32> {
    return vec2<u32>(bead | (interval << params.bead_bits), bitcast<u32>(t));
}

// `first` is the replica's first bead.
fn sender(first: u32, edge: vec2<u32>) -> u32 {
    return first + (edge.x & ((1u << params.bead_bits) - 1u));
}

fn interval(edge: vec2<u32>) -> u32 {
    return edge.x >> params.bead_bits;
}
