// prior_bonded -- terms of two, three and four bonded beads, gathered by bead
//
//   bond                k (r - x0)^2 + v0
//   angle               k (q - x0)^2 + v0,  q = cos theta or theta
//   quartic angle       v0 + sum_n k_n q^n, n = 1..4
//   restricted quartic  a c^4 + b c^3 + c' c^2 + d c + k / sin^2 theta + v0,  c = cos theta
//   improper            k (q - x0)^2 + v0,  q = phi or phi shifted by pi into (-pi, pi]
//   dihedral            v0 + sum_n k1_n sin(n phi) + k2_n cos(n phi)
//
// A bead computes every tuple it is in and keeps its own share of the gradient, so that nothing is
// scattered. A tuple's energy goes to its first bead. Forces start here: from the external ones
// where there are any, else from 0. Denominators have the floors of `model::prior`, so that
// degenerate geometry gives finite forces.
//
// Bonds are stiff: positions rounded to f32 would shake them, and heat a long run. So the beads of a
// tuple are seen from one another, with both numbers of a position.
//
// reads   bead, position, position_low [n_beads] Å, external_force [n_beads], tuple_row [rows of all
//         molecules + 1], tuples, values
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   overwritten
// grid    LANES invocations per bead; partial sums joined in a tree of fixed shape
// twin    src/reference/prior.rs
#import params
#import math

const WORKGROUP: u32 = 64u;
// Invocations that share the tuples of a bead; a power of 2.
const LANES: u32 = 8u;
// Forms; the host twin is `gpu::priors`.
const BOND: u32 = 0u;
const ANGLE: u32 = 1u;
const ANGLE_RAW: u32 = 2u;
const QUARTIC: u32 = 3u;
const QUARTIC_RAW: u32 = 4u;
const RESTRICTED: u32 = 5u;
const DIHEDRAL: u32 = 6u;
const IMPROPER: u32 = 7u;
const IMPROPER_SHIFTED: u32 = 8u;
// Floors of denominators: sin^2 theta, and a distance in Å.
const SIN2_FLOOR: f32 = 1e-8;
const DISTANCE_FLOOR: f32 = 1e-4;

// A tuple as one of its beads sees it.
struct Tuple {
    // Local bead numbers.
    beads: vec4<u32>,
    form: u32,
    // Which of the tuple's beads this one is.
    slot: u32,
    // Prior term, in the model's order.
    term: u32,
    // Fourier terms.
    degree: u32,
    // First of its parameters.
    values: u32,
    padding0: u32,
    padding1: u32,
    padding2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> position_low: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> external_force: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> tuple_row: array<u32>;
@group(0) @binding(6) var<storage, read> tuples: array<Tuple>;
@group(0) @binding(7) var<storage, read> values: array<f32>;
@group(0) @binding(8) var<storage, read_write> force: array<vec4<f32>>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

// Energy of a tuple and its gradient with respect to the bead that looks at it.
struct Share {
    energy: f32,
    gradient: vec3<f32>,
}

// A position in two numbers.
struct Place {
    high: vec3<f32>,
    low: vec3<f32>,
}

fn place(i: u32) -> Place {
    return Place(position[i].xyz, position_low[i].xyz);
}

// From `b` to `a`, Å.
fn apart(a: Place, b: Place) -> vec3<f32> {
    return (a.high - b.high) + (a.low - b.low);
}

// Energy and slope of k (q - x0)^2 + v0.
fn harmonic(q: f32, at: u32) -> vec2<f32> {
    let offset = q - values[at + 1u];
    return vec2<f32>(
        fma(values[at] * offset, offset, values[at + 2u]),
        2.0 * values[at] * offset,
    );
}

// Energy and slope of v0 + k1 q + k2 q^2 + k3 q^3 + k4 q^4.
fn quartic(q: f32, v0: f32, k: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(
        fma(fma(fma(fma(k.w, q, k.z), q, k.y), q, k.x), q, v0),
        fma(fma(fma(4.0 * k.w, q, 3.0 * k.z), q, 2.0 * k.y), q, k.x),
    );
}

fn bond(t: Tuple, x0: Place, x1: Place) -> Share {
    let a = apart(x0, x1);
    let r = length_of(a);
    let e = harmonic(r, t.values);
    let toward = select(-1.0, 1.0, t.slot == 0u);
    return Share(e.x, (e.y * toward / max(r, DISTANCE_FLOOR)) * a);
}

fn angle(t: Tuple, x0: Place, x1: Place, x2: Place) -> Share {
    let to0 = apart(x0, x1);
    let to2 = apart(x2, x1);
    let length0 = max(length_of(to0), DISTANCE_FLOOR);
    let length2 = max(length_of(to2), DISTANCE_FLOOR);
    let a = to0 / length0;
    let b = to2 / length2;
    let c = dot(a, b);
    let normal = cross(a, b);
    let sin2 = dot(normal, normal);
    // Energy and slope with respect to c.
    var e: vec2<f32>;
    if t.form == ANGLE {
        e = harmonic(c, t.values);
    } else if t.form == QUARTIC {
        e = quartic(c, values[t.values], coefficients(t.values + 1u));
    } else if t.form == RESTRICTED {
        let k = values[t.values + 4u];
        let floored = max(sin2, SIN2_FLOOR);
        let reversed = coefficients(t.values).wzyx;
        e = quartic(c, values[t.values + 5u] + k / floored, reversed);
        // d(1 / sin^2) = 2 c / sin^4 dc
        e.y += select(0.0, 2.0 * k * c / (floored * floored), sin2 > SIN2_FLOOR);
    } else {
        let sine = sqrt(sin2);
        let theta = atan2_of(sine, c);
        if t.form == ANGLE_RAW {
            e = harmonic(theta, t.values);
        } else {
            e = quartic(theta, values[t.values], coefficients(t.values + 1u));
        }
        e.y /= -max(sine, sqrt(SIN2_FLOOR));
    }
    let at0 = (b - c * a) / length0;
    let at2 = (a - c * b) / length2;
    var gradient = -at0 - at2;
    if t.slot == 0u {
        gradient = at0;
    } else if t.slot == 2u {
        gradient = at2;
    }
    return Share(e.x, e.y * gradient);
}

fn coefficients(at: u32) -> vec4<f32> {
    return vec4<f32>(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
}

// Energy and slope of the Fourier series, by rotation; `rotation` is (cos phi, sin phi).
fn fourier(t: Tuple, rotation: vec2<f32>) -> vec2<f32> {
    var e = vec2<f32>(values[t.values], 0.0);
    var turn = rotation;
    for (var k = 1u; k <= t.degree; k++) {
        let k1 = values[t.values + k];
        let k2 = values[t.values + t.degree + k];
        e.x += fma(k1, turn.y, k2 * turn.x);
        e.y += f32(k) * fma(k1, turn.x, -k2 * turn.y);
        turn = vec2<f32>(
            fma(turn.x, rotation.x, -turn.y * rotation.y),
            fma(turn.y, rotation.x, turn.x * rotation.y),
        );
    }
    return e;
}

// phi and its gradient after Blondel and Karplus (1996).
fn dihedral(t: Tuple, x0: Place, x1: Place, x2: Place, x3: Place) -> Share {
    let b1 = apart(x1, x0);
    let b2 = apart(x2, x1);
    let b3 = apart(x3, x2);
    let m = cross(b1, b2);
    let n = cross(b2, b3);
    let length2 = length_of(b2);
    let axis = max(length2, DISTANCE_FLOOR);
    let least = DISTANCE_FLOOR * DISTANCE_FLOOR;
    let squares = max(vec3<f32>(dot(b1, b1), dot(b2, b2), dot(b3, b3)), vec3<f32>(least));
    let square_m = max(dot(m, m), SIN2_FLOOR * squares.x * squares.y);
    let square_n = max(dot(n, n), SIN2_FLOOR * squares.y * squares.z);
    let both = vec2<f32>(dot(m, n), length2 * dot(b1, n));
    let size = max(abs(both.x), abs(both.y));
    var rotation = vec2<f32>(1.0, 0.0);
    if size > 0.0 {
        // The squares of short bonds' products are below f32: scale before they are taken.
        let scaled = both / size;
        rotation = scaled / length_of(vec3<f32>(scaled, 0.0));
    }
    var e: vec2<f32>;
    if t.form == DIHEDRAL {
        e = fourier(t, rotation);
    } else {
        var phi = atan2_of(rotation.y, rotation.x);
        if t.form == IMPROPER_SHIFTED {
            phi = select(phi, phi + 2.0 * PI, phi < 0.0) - PI;
        }
        e = harmonic(phi, t.values);
    }
    let at0 = -axis / square_m;
    let at3 = axis / square_n;
    let p = dot(b1, b2) / (square_m * axis);
    let q = dot(b3, b2) / (square_n * axis);
    var gradient = at0 * m;
    if t.slot == 1u {
        gradient = (p - at0) * m + q * n;
    } else if t.slot == 2u {
        gradient = -p * m - (q + at3) * n;
    } else if t.slot == 3u {
        gradient = at3 * n;
    }
    return Share(e.x, e.y * gradient);
}

@compute @workgroup_size(WORKGROUP)
fn prior_bonded(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * (WORKGROUP / LANES) + lane / LANES;
    let mine = lane % LANES;
    var sum = vec3<f32>(0.0);
    var energy = 0.0;
    if i < params.n_beads {
        let me = bead[i];
        let end = tuple_row[me.row + 1u];
        for (var k = tuple_row[me.row] + mine; k < end; k += LANES) {
            let t = tuples[k];
            if params.term != ALL_TERMS && params.term != t.term {
                continue;
            }
            let x0 = place(me.first + t.beads.x);
            let x1 = place(me.first + t.beads.y);
            var share: Share;
            if t.form == BOND {
                share = bond(t, x0, x1);
            } else if t.form < DIHEDRAL {
                share = angle(t, x0, x1, place(me.first + t.beads.z));
            } else {
                let x2 = place(me.first + t.beads.z);
                share = dihedral(t, x0, x1, x2, place(me.first + t.beads.w));
            }
            sum -= share.gradient;
            energy += select(0.0, share.energy, t.slot == 0u);
        }
    }
    part[lane] = vec4<f32>(sum, energy);
    workgroupBarrier();
    for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
        if mine < stride {
            part[lane] += part[lane + stride];
        }
        workgroupBarrier();
    }
    if mine == 0u && i < params.n_beads {
        var total = part[lane];
        if params.with_external == 1u {
            total += vec4<f32>(external_force[i].xyz, 0.0);
        }
        force[i] = total;
    }
}
