// The angle theta at the middle of three beads and the dihedral angle phi of four, with their
// gradients. Denominators have the floors of `model::prior`, so that degenerate geometry gives finite
// gradients.
#import math

// Floors of denominators: sin^2 theta, and a distance in Å; the host twin is `model::prior`.
const SIN2_FLOOR: f32 = 1e-8;
const DISTANCE_FLOOR: f32 = 1e-4;

struct Bend {
    cosine: f32,
    // sin^2 theta
    sin2: f32,
    // Gradient of cos theta with respect to the first and the third bead.
    at0: vec3<f32>,
    at2: vec3<f32>,
}

// theta between the separations from the middle bead to the first and to the third.
fn bend_of(to0: vec3<f32>, to2: vec3<f32>) -> Bend {
    let bare0 = length_of(to0);
    let bare2 = length_of(to2);
    let length0 = max(bare0, DISTANCE_FLOOR);
    let length2 = max(bare2, DISTANCE_FLOOR);
    let a = to0 / length0;
    let b = to2 / length2;
    let c = dot(a, b);
    let normal = cross_of(to0, to2) / (length0 * length2);
    // b - c a and a - c b. For unit vectors these are (a x b) x a and b x (a x b), which keep their
    // digits near 0 and pi. If a length is below the floor, a or b is not a unit vector.
    let is_floored = min(bare0, bare2) < DISTANCE_FLOOR;
    let at0 = select(cross(normal, a), b - c * a, is_floored) / length0;
    let at2 = select(cross(b, normal), a - c * b, is_floored) / length2;
    return Bend(c, dot(normal, normal), at0, at2);
}

// Gradient of cos theta with respect to bead `slot` of the three.
fn bend_gradient(bend: Bend, slot: u32) -> vec3<f32> {
    if slot == 0u {
        return bend.at0;
    } else if slot == 2u {
        return bend.at2;
    }
    return -bend.at0 - bend.at2;
}

// sin theta for a denominator: d theta = -d(cos theta) / sin theta.
fn floored_sine(bend: Bend) -> f32 {
    return max(sqrt(bend.sin2), sqrt(SIN2_FLOOR));
}

// phi and the parts of its gradient by Blondel and Karplus (1996).
struct Torsion {
    // (cos phi, sin phi)
    rotation: vec2<f32>,
    m: vec3<f32>,
    n: vec3<f32>,
    at0: f32,
    at3: f32,
    p: f32,
    q: f32,
}

// phi of the bonds from each bead to the next.
fn torsion_of(b1: vec3<f32>, b2: vec3<f32>, b3: vec3<f32>) -> Torsion {
    let m = cross_of(b1, b2);
    let n = cross_of(b2, b3);
    let length2 = length_of(b2);
    let axis = max(length2, DISTANCE_FLOOR);
    let least = DISTANCE_FLOOR * DISTANCE_FLOOR;
    let squares = max(vec3<f32>(dot(b1, b1), dot(b2, b2), dot(b3, b3)), vec3<f32>(least));
    let square_m = max(dot(m, m), SIN2_FLOOR * squares.x * squares.y);
    let square_n = max(dot(n, n), SIN2_FLOOR * squares.y * squares.z);
    // The second component equals |b2| b1.n, which would lose its digits where b1 is nearly
    // parallel to b2.
    let both = vec2<f32>(dot(m, n), dot(cross_of(m, n), b2 / max(length2, 1e-30)));
    let size = max(abs(both.x), abs(both.y));
    var rotation = vec2<f32>(1.0, 0.0);
    if size > 0.0 {
        // Scale before squaring: for short bonds the squares of these products underflow in f32.
        let scaled = both / size;
        rotation = scaled / length_of(vec3<f32>(scaled, 0.0));
    }
    let p = dot(b1, b2) / (square_m * axis);
    let q = dot(b3, b2) / (square_n * axis);
    return Torsion(rotation, m, n, -axis / square_m, axis / square_n, p, q);
}

// Gradient of phi with respect to bead `slot` of the four.
fn torsion_gradient(t: Torsion, slot: u32) -> vec3<f32> {
    if slot == 1u {
        return (t.p - t.at0) * t.m + t.q * t.n;
    } else if slot == 2u {
        return -t.p * t.m - (t.q + t.at3) * t.n;
    } else if slot == 3u {
        return t.at3 * t.n;
    }
    return t.at0 * t.m;
}
