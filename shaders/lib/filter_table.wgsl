// Tabulated filters; the host twin is `model::filter_table`. The head of a table holds its
// stretches (start in Å, cells per Å, first and last cell in the head), then its cells (start in Å,
// intervals per Å, first and last interval).

const STRETCHES: u32 = 1u;
// The interval of a distance, and t, the distance from the middle of the interval, Å.
struct Place {
    interval: u32,
    t: f32,
}

// The cell of a stretch, or the interval of a cell, that d is in, and the position of d in it from
// 0 to 1.
fn part_at(whole: vec4<f32>, d: f32) -> vec2<f32> {
    let position = (d - whole.x) * whole.y;
    let k = clamp(floor(position), 0.0, whole.w - whole.z);
    return vec2<f32>(whole.z + k, position - k);
}

// `stretch` is the last stretch that starts at or below d.
fn place(stretch: vec4<f32>, d: f32) -> Place {
    let cell = head[u32(part_at(stretch, d).x)];
    let part = part_at(cell, d);
    return Place(u32(part.x), (part.y - 0.5) / cell.y);
}
