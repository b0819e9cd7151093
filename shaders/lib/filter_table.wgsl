// Tabulated filters; the host twin is `model::filter_table`. A table's head has its stretches
// (start in Å, cells per Å, first and last cell in the head), then its cells (start in Å, intervals
// per Å, first and last interval).

const STRETCHES: u32 = 1u;
// Beads are neighbors below this distance, Å.
const RADIUS: f32 = 15.0;
// Interval of a distance, and how far it is from its middle, Å.
struct Place {
    interval: u32,
    t: f32,
}

// The part of a stretch or cell that d lies in, and how far d reaches into it in parts.
fn part_at(whole: vec4<f32>, d: f32) -> vec2<f32> {
    let position = (d - whole.x) * whole.y;
    let k = clamp(floor(position), 0.0, whole.w - whole.z);
    return vec2<f32>(whole.z + k, position - k);
}

// `stretch` is the last whose start is not beyond d.
fn place(stretch: vec4<f32>, d: f32) -> Place {
    let cell = head[u32(part_at(stretch, d).x)];
    let part = part_at(cell, d);
    return Place(u32(part.x), (part.y - 0.5) / cell.y);
}
