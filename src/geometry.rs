//! Vectors in space, and the coordinates of two, three and four beads with their gradients.
//!
//! This is the one place on the host that says how a separation vector is formed.
//! `shaders/lib/separation` is its twin on a device, and `gpu::params::Position::separation` for
//! positions read from there.

/// a − b, Å: the separation vector of two positions.
pub(crate) fn separation(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// a · b.
pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// |a|².
pub(crate) fn square(a: [f64; 3]) -> f64 {
    dot(a, a)
}

/// The lower bound of a length in a denominator, Å. Devices do not resolve the direction between
/// beads that are nearly in one place.
pub(crate) const MIN_DISTANCE: f64 = 1e-4;

/// The lower bound of sin θ in a denominator.
pub(crate) const MIN_SINE: f64 = 1e-4;

/// a/|a|, the direction of a force along a. |a| is at least [`MIN_DISTANCE`] here, so that the
/// vector between beads in one place, which has no direction, gives 0.
pub(crate) fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = square(a).sqrt().max(MIN_DISTANCE);
    a.map(|x| x / length)
}

/// a × b.
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// s a + t b.
pub(crate) fn combine(s: f64, a: [f64; 3], t: f64, b: [f64; 3]) -> [f64; 3] {
    [s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]]
}

/// The length of a vector for use in a denominator, where it has a lower bound.
fn length(a: [f64; 3]) -> f64 {
    square(a).sqrt().max(MIN_DISTANCE)
}

/// A coordinate of a tuple, and its gradient by the positions of the beads.
pub(crate) type Coordinate = (f64, [[f64; 3]; 4]);

/// r = |x0 − x1|.
pub(crate) fn distance(x: [[f64; 3]; 4]) -> Coordinate {
    let a = separation(x[0], x[1]);
    let r = square(a).sqrt();
    let unit = combine(1.0 / r.max(MIN_DISTANCE), a, 0.0, a);
    (r, [unit, combine(-1.0, unit, 0.0, unit), [0.0; 3], [0.0; 3]])
}

/// cos θ at x1.
pub(crate) fn cosine(x: [[f64; 3]; 4]) -> Coordinate {
    let (a, b) = (separation(x[0], x[1]), separation(x[2], x[1]));
    let (len_a, len_b) = (length(a), length(b));
    let c = dot(a, b) / (len_a * len_b);
    let at0 = combine(1.0 / (len_a * len_b), b, -c / (len_a * len_a), a);
    let at2 = combine(1.0 / (len_a * len_b), a, -c / (len_b * len_b), b);
    (c, [at0, combine(-1.0, at0, -1.0, at2), at2, [0.0; 3]])
}

/// sin θ at x1, from the cross product, which is more accurate at small angles than the cosine.
pub(crate) fn sine(x: [[f64; 3]; 4]) -> f64 {
    let (a, b) = (separation(x[0], x[1]), separation(x[2], x[1]));
    let cross = cross(a, b);
    square(cross).sqrt() / (length(a) * length(b))
}

/// θ at x1.
pub(crate) fn angle(x: [[f64; 3]; 4]) -> Coordinate {
    let (a, b) = (separation(x[0], x[1]), separation(x[2], x[1]));
    let cross = cross(a, b);
    let theta = square(cross).sqrt().atan2(dot(a, b));
    let slope = -1.0 / sine(x).max(MIN_SINE);
    (theta, cosine(x).1.map(|g| combine(slope, g, 0.0, g)))
}

/// `angle(y, x)` for y and x proportional to sin φ and cos φ. The derivative of `angle` by φ is 1.
/// The gradient of φ is from Blondel and Karplus (1996).
pub(crate) fn dihedral(x: [[f64; 3]; 4], angle: fn(f64, f64) -> f64) -> Coordinate {
    let (b1, b2, b3) = (separation(x[1], x[0]), separation(x[2], x[1]), separation(x[3], x[2]));
    let (m, n) = (cross(b1, b2), cross(b2, b3));
    // Adding 0 turns −0 into 0, because atan2 distinguishes the two.
    let angle = angle(dot(b2, b2).sqrt() * dot(b1, n) + 0.0, dot(m, n) + 0.0);
    let len = length(b2);
    let least = |a, b| (MIN_SINE * length(a) * length(b)).powi(2);
    let (mm, nn) = (dot(m, m).max(least(b1, b2)), dot(n, n).max(least(b2, b3)));
    let (at0, at3) = (-len / mm, len / nn);
    let (p, q) = (dot(b1, b2) / (mm * len), dot(b3, b2) / (nn * len));
    let gradient = [
        combine(at0, m, 0.0, n),
        combine(p - at0, m, q, n),
        combine(-p, m, -q - at3, n),
        combine(0.0, m, at3, n),
    ];
    (angle, gradient)
}

/// The center of points of the same weight.
pub(crate) fn center(points: &[[f64; 3]]) -> [f64; 3] {
    let sum = points.iter().fold([0.0; 3], |sum, x| combine(1.0, sum, 1.0, *x));
    sum.map(|x| x / points.len() as f64)
}

/// The points relative to their center.
pub(crate) fn centered(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let center = center(points);
    points.iter().map(|x| separation(*x, center)).collect()
}
