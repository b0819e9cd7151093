// An edge in packed form: x holds the sender's number in its replica and, in the bits above, the
// interval of the distance; y holds t, the distance from the middle of the interval, Å.

// Bits for the number of a bead in its replica.
const BEAD_BITS: u32 = 20u;

fn edge_of(bead: u32, interval: u32, t: f32) -> vec2<u32> {
    return vec2<u32>(bead | (interval << BEAD_BITS), bitcast<u32>(t));
}

// `first` is the replica's first bead.
fn sender(first: u32, edge: vec2<u32>) -> u32 {
    return first + (edge.x & ((1u << BEAD_BITS) - 1u));
}

fn interval(edge: vec2<u32>) -> u32 {
    return edge.x >> BEAD_BITS;
}
