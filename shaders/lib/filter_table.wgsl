// Tabulated filters; the host twin is `model::filter_table`. A table begins with its segments
// (start in Å, intervals per Å, first interval, last interval), then has four coefficients per
// interval and channel.

const SEGMENTS: u32 = 1u;
const N_FILTERS: u32 = 128u;
// Beads are neighbors below this distance, Å.
const RADIUS: f32 = 15.0;
// In place of a sender: the edge is beyond the cutoff.
const NO_EDGE: u32 = 0xffffffffu;

// Where an edge finds its filter: first coefficients of the interval, position in it, intervals
// per Å.
struct Lookup {
    at: u32,
    s: f32,
    rate: f32,
}

// `segment` is the last whose start is not beyond d.
fn lookup(segment: vec4<f32>, d: f32) -> Lookup {
    let position = (d - segment.x) * segment.y;
    let k = min(floor(position), segment.w - segment.z);
    let interval = u32(segment.z + k);
    return Lookup(SEGMENTS + interval * N_FILTERS, position - k, segment.y);
}

fn table_value(c: vec4<f32>, s: f32) -> f32 {
    return fma(fma(fma(c.w, s, c.z), s, c.y), s, c.x);
}

// With respect to d.
fn table_slope(c: vec4<f32>, s: f32, rate: f32) -> f32 {
    return fma(fma(3.0 * c.w, s, 2.0 * c.z), s, c.y) * rate;
}
