#import separation

const WORKGROUP: u32 = 256u;
// The number of channels divided by four.
const QUADS: u32 = 32u;

// The number of an invocation in its grid.
fn element(id: vec3<u32>, grid: vec3<u32>, lane: u32) -> u32 {
    return (id.x + id.y * grid.x) * WORKGROUP + lane;
}

// The unit vector from bead j to bead i; zero for beads at the same point.
fn direction(x_i: Position, x_j: Position) -> vec3<f32> {
    let between = separation(x_i, x_j);
    return between * inverseSqrt(max(dot(between, between), 1e-30));
}
