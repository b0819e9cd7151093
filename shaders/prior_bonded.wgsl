// prior_bonded -- terms of two, three and four bonded beads, gathered by bead
//
//   bond                k (r - x0)^2 + v0
//   angle               k (q - x0)^2 + v0,  q = cos theta or theta
//   quartic angle       v0 + sum_n k_n q^n, n = 1..4
//   restricted quartic  a c^4 + b c^3 + c' c^2 + d c + k / sin^2 theta + v0,  c = cos theta
//   improper            k (q - x0)^2 + v0,  q = phi, or phi +- pi in [-pi, pi)
//   dihedral            v0 + sum_n k1_n sin(n phi) + k2_n cos(n phi)
//
// For each bead the kernel computes every tuple that the bead is in and keeps only this bead's part
// of the gradient, so nothing is scattered. The energy of a tuple goes to its first bead. This
// kernel starts the fast forces. Angles and their gradients are those of lib/angles.
//
// Bonds are stiff. Positions rounded to f32 would shake them and heat a long run, so all terms use
// separation vectors from lib/separation, which take both numbers of a position.
//
// A bond that is longer than params.max_stretch times its rest length raises an alarm at its first
// bead, unless its rest length is below LEAST_REST or its k is 0.
//
// reads   bead, position [n_beads] Å, tuple_row [rows of all molecules + 1], tuples, values
// writes  force [2, n_beads] kcal/mol/Å, w: energy of the bead, kcal/mol   fast range: overwritten,
//         walker [n_replicas] (alarm)
// grid    LANES invocations per bead; partial sums joined in a tree of fixed shape
// twin    src/reference/prior.rs
#import params
#import math
#import walker
#import separation
#import angles

const WORKGROUP: u32 = 64u;
// Invocations that share the tuples of a bead: a power of 2.
const LANES: u32 = 8u;
// Forms; the host twin is `gpu::params::form`.
const BOND: u32 = 0u;
const ANGLE: u32 = 1u;
const ANGLE_RAW: u32 = 2u;
const QUARTIC: u32 = 3u;
const QUARTIC_RAW: u32 = 4u;
const RESTRICTED: u32 = 5u;
const DIHEDRAL: u32 = 6u;
const IMPROPER: u32 = 7u;
const IMPROPER_SHIFTED: u32 = 8u;
// Å
const LEAST_REST: f32 = 1.0;

// A tuple in the list of one of its beads.
struct Tuple {
    // Bead numbers in the replica.
    beads: vec4<u32>,
    form: u32,
    // The position in the tuple of the bead whose list this is.
    slot: u32,
    // Prior term, in the model's order.
    term: u32,
    // Number of Fourier terms.
    degree: u32,
    // Index of the first parameter.
    values: u32,
    padding0: u32,
    padding1: u32,
    padding2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> position: array<Position>;
@group(0) @binding(3) var<storage, read> tuple_row: array<u32>;
@group(0) @binding(4) var<storage, read> tuples: array<Tuple>;
@group(0) @binding(5) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> force: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> walker: array<Walker>;

var<workgroup> part: array<vec4<f32>, WORKGROUP>;

// Energy of a tuple and its gradient with respect to the bead whose list it is in.
struct Share {
    energy: f32,
    gradient: vec3<f32>,
}

// Energy and slope of k (q - x0)^2 + v0. The values are k, x0, v0; q is the sum of its components.
fn harmonic(q: vec2<f32>, at: u32) -> vec2<f32> {
    let offset = (q.x - values[at + 1u]) + q.y;
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

fn bond(t: Tuple, x0: Position, x1: Position, of_replica: u32) -> Share {
    let a = separation(x0, x1);
    let r = length_of(a);
    let rest = values[t.values + 1u];
    let is_limited = t.slot == 0u && values[t.values] > 0.0 && rest >= LEAST_REST;
    if is_limited && r > params.max_stretch * rest {
        atomicMin(&walker[of_replica].alarm, alarm_of(t.beads.x, STRETCH));
    }
    let e = harmonic(vec2<f32>(r, 0.0), t.values);
    let toward = select(-1.0, 1.0, t.slot == 0u);
    return Share(e.x, (e.y * toward / max(r, DISTANCE_FLOOR)) * a);
}

fn angle(t: Tuple, x0: Position, x1: Position, x2: Position) -> Share {
    let bend = bend_of(separation(x0, x1), separation(x2, x1));
    let c = bend.cosine;
    // Energy and slope with respect to c.
    var e: vec2<f32>;
    if t.form == ANGLE {
        e = harmonic(vec2<f32>(c, 0.0), t.values);
    } else if t.form == QUARTIC {
        e = quartic(c, values[t.values], coefficients(t.values + 1u));
    } else if t.form == RESTRICTED {
        let k = values[t.values + 4u];
        let floored = max(bend.sin2, SIN2_FLOOR);
        let reversed = coefficients(t.values).wzyx;
        e = quartic(c, values[t.values + 5u] + k / floored, reversed);
        // d(1 / sin^2) = 2 c / sin^4 dc
        e.y += select(0.0, 2.0 * k * c / (floored * floored), bend.sin2 > SIN2_FLOOR);
    } else {
        let theta = atan2_parts(sqrt(bend.sin2), c);
        if t.form == ANGLE_RAW {
            e = harmonic(theta, t.values);
        } else {
            e = quartic(theta.x + theta.y, values[t.values], coefficients(t.values + 1u));
        }
        e.y /= -floored_sine(bend);
    }
    return Share(e.x, e.y * bend_gradient(bend, t.slot));
}

fn coefficients(at: u32) -> vec4<f32> {
    return vec4<f32>(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
}

// Energy and slope of the Fourier series, by repeated rotation; `rotation` is (cos phi, sin phi).
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

fn dihedral(t: Tuple, x0: Position, x1: Position, x2: Position, x3: Position) -> Share {
    let torsion = torsion_of(separation(x1, x0), separation(x2, x1), separation(x3, x2));
    let rotation = torsion.rotation;
    var e: vec2<f32>;
    if t.form == DIHEDRAL {
        e = fourier(t, rotation);
    } else {
        var angle = atan2_parts(rotation.y, rotation.x);
        if t.form == IMPROPER_SHIFTED {
            // Exact: PI in f32 is 2 HALF_PI.
            angle.x += select(-PI, PI, rotation.y < 0.0);
        }
        e = harmonic(angle, t.values);
    }
    return Share(e.x, e.y * torsion_gradient(torsion, t.slot));
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
            let x0 = position[me.first + t.beads.x];
            let x1 = position[me.first + t.beads.y];
            var share: Share;
            if t.form == BOND {
                share = bond(t, x0, x1, me.replica);
            } else if t.form < DIHEDRAL {
                share = angle(t, x0, x1, position[me.first + t.beads.z]);
            } else {
                let x2 = position[me.first + t.beads.z];
                share = dihedral(t, x0, x1, x2, position[me.first + t.beads.w]);
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
        force[i] = part[lane];
    }
}
