// The potential of hills on a grid: places on it, and its value and gradient. The host twin is
// `hills::Grid`. A kernel that imports this file binds `hill_node`, the nodes of all grids.
#import math

// The axis of a variable; the host twin is `gpu::params::GridAxis`. Places are distances from the
// first node in bins.
struct GridAxis {
    // The least and the largest value, Å, rad or without unit.
    lower: f32,
    upper: f32,
    // Bins per unit of the variable.
    per_unit: f32,
    // The bin in units of the width of a hill.
    sharpness: f32,
    bins: u32,
    // bins, and one more unless the axis is periodic.
    nodes: u32,
    periodic: u32,
}

// A grid; the host twin is `gpu::params::GridPotential`. The second axis of a grid over one
// variable has one node and one bin, and the value on it is 0.
struct GridPotential {
    x: GridAxis,
    y: GridAxis,
    // The place of the first node in `hill_node`.
    first: u32,
    // Height of a hill where the potential is 0, kcal/mol.
    height: f32,
    // 1 / (k_B (gamma - 1) T), mol/kcal
    rate: f32,
}

// V, s_x dV/dx, s_y dV/dy and s_x s_y d2V/dxdy, kcal/mol, with the spacing s of the nodes. Each is
// the sum of two f32, both multiples of 2^-32, so hills of a long run are not lost.
struct GridNode {
    high: vec4<f32>,
    low: vec4<f32>,
}

// The nodes around a place on an axis, and the distance from the first of them in bins.
struct GridCell {
    first: u32,
    second: u32,
    t: f32,
}

// Whether a value is on an axis. Any number is on a periodic axis.
fn is_on_axis(axis: GridAxis, q: f32) -> bool {
    return !is_broken(q) && (axis.periodic == 1u || (q >= axis.lower && q <= axis.upper));
}

// The place of a value that is on the axis.
fn place_on(axis: GridAxis, q: f32) -> f32 {
    let bins = f32(axis.bins);
    let place = (q - axis.lower) * axis.per_unit;
    if axis.periodic == 0u {
        return clamp(place, 0.0, bins);
    }
    let within = place - bins * floor(place / bins);
    return select(0.0, within, within >= 0.0 && within < bins);
}

fn cell_at(axis: GridAxis, place: f32) -> GridCell {
    let first = min(u32(place), axis.bins - 1u);
    let second = select(first + 1u, 0u, first + 1u >= axis.nodes);
    return GridCell(first, second, place - f32(first));
}

// A hill of height 1 and its derivative by the place of the node, for a node `from_hill` bins above
// the place of the hill. On a periodic axis it is the sum of the nearest image and its neighbors.
fn hill_of(axis: GridAxis, from_hill: f32) -> vec2<f32> {
    if axis.periodic == 0u {
        return image_of(axis.sharpness, from_hill);
    }
    let bins = f32(axis.bins);
    let nearest = from_hill - bins * round(from_hill / bins);
    return image_of(axis.sharpness, nearest - bins) + image_of(axis.sharpness, nearest)
        + image_of(axis.sharpness, nearest + bins);
}

fn image_of(sharpness: f32, from_hill: f32) -> vec2<f32> {
    let z = sharpness * from_hill;
    let value = exp_of(-0.5 * z * z);
    return vec2<f32>(value, -sharpness * z * value);
}

// The cubic polynomials on [0, 1] with value 1 at 0, slope 1 at 0, value 1 at 1, and slope 1 at 1.
fn hermite(t: f32) -> vec4<f32> {
    let u = 1.0 - t;
    let rise = t * t * (3.0 - 2.0 * t);
    return vec4<f32>(1.0 - rise, t * u * u, rise, -t * t * u);
}

// Their derivatives.
fn hermite_slope(t: f32) -> vec4<f32> {
    let u = 1.0 - t;
    let slope = 6.0 * t * u;
    return vec4<f32>(-slope, u * (1.0 - 3.0 * t), slope, t * (3.0 * t - 2.0));
}

// The numbers of a node with V relative to that of another node, which leaves the digits of V to
// the gradient.
fn relative_to(base: GridNode, node: GridNode) -> vec4<f32> {
    let rise = (node.high.x - base.high.x) + (node.low.x - base.low.x);
    return vec4<f32>(rise, node.high.yzw);
}

// V at a place, kcal/mol, and its gradient in kcal/mol per unit of each variable.
fn potential_at(grid: GridPotential, place: vec2<f32>) -> vec3<f32> {
    let x = cell_at(grid.x, place.x);
    let y = cell_at(grid.y, place.y);
    let base = hill_node[grid.first + y.first * grid.x.nodes + x.first];
    let of_x = hermite(x.t);
    let by_x = hermite_slope(x.t);
    // For the rows y.first and y.second: V, s_y dV/dy, and the derivatives of both by x.
    var row: array<vec4<f32>, 2>;
    for (var k = 0u; k < 2u; k++) {
        let start = grid.first + select(y.first, y.second, k == 1u) * grid.x.nodes;
        let a = relative_to(base, hill_node[start + x.first]);
        let b = relative_to(base, hill_node[start + x.second]);
        let v = vec4<f32>(a.xy, b.xy);
        let slope = vec4<f32>(a.zw, b.zw);
        row[k] = vec4<f32>(dot(of_x, v), dot(of_x, slope), dot(by_x, v), dot(by_x, slope));
    }
    let of_y = hermite(y.t);
    let v = vec4<f32>(row[0].xy, row[1].xy);
    return vec3<f32>(
        base.high.x + dot(of_y, v),
        dot(of_y, vec4<f32>(row[0].zw, row[1].zw)) * grid.x.per_unit,
        dot(hermite_slope(y.t), v) * grid.y.per_unit,
    );
}
