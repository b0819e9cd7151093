// Moves of beads on the grid of positions, and the range of coordinates.
#import math
#import separation

// Positions are multiples of 1/GRID Å.
const GRID: f32 = 4294967296.0;
// The largest coordinate of a bead, origin included, Å.
const FARTHEST: f32 = 1048576.0;

fn any_broken(x: vec3<f32>) -> bool {
    return is_broken(x.x) || is_broken(x.y) || is_broken(x.z);
}

// x + way, rounded to the grid. from_grid and moved are multiples of 1/GRID, and so is their sum.
// Products with powers of two are exact, so contraction to fma changes nothing.
fn moved_by(x: Position, way: vec3<f32>) -> Position {
    let from_grid = round(x.high.xyz * GRID) * (1.0 / GRID);
    let moved = x.low.xyz + round(way * GRID) * (1.0 / GRID);
    let sum = exact_sum(from_grid, moved, x.low.w);
    return Position(vec4<f32>(sum.high.xyz, x.high.w), vec4<f32>(sum.low.xyz, x.low.w));
}

// Whether a bead may be at x: its coordinates are finite and below FARTHEST. The rounded sum is below
// FARTHEST only if the exact one is.
fn may_be_at(x: Position, origin: vec3<f32>) -> bool {
    let is_near = all(abs(x.high.xyz + origin) < vec3<f32>(FARTHEST));
    return is_near && !any_broken(x.high.xyz) && !any_broken(x.low.xyz);
}
