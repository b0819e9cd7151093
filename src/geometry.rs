//! Vectors in space, and the one place on the host that says how a separation vector is formed.
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
