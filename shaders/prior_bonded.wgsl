// prior_bonded -- bonds, angles and dihedrals, gathered by bead
//
//   bond      k (r - x0)^2 + v0
//   angle     k (cos theta - x0)^2 + v0
//   dihedral  v0 + sum_n k1_n sin(n phi) + k2_n cos(n phi)
//
// A bead computes every tuple it is in and keeps its own share of the gradient, so that nothing is
// scattered. A tuple's energy goes to its first bead. Forces start here: from the external ones
// where there are any, else from 0.
//
// reads   bead, position, external_force [n_beads], tuple_row [rows of all molecules + 1], tuple, values
// writes  force [n_beads] kcal/mol/Å, w: prior energy of the bead, kcal/mol   overwritten
// grid    one invocation per bead
// twin    src/reference/prior.rs
#import params
#import math

const WORKGROUP: u32 = 64u;
const BOND: u32 = 0u;
const ANGLE: u32 = 1u;
const DIHEDRAL: u32 = 2u;

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
@group(0) @binding(3) var<storage, read> external_force: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> tuple_row: array<u32>;
@group(0) @binding(5) var<storage, read> tuples: array<Tuple>;
@group(0) @binding(6) var<storage, read> values: array<f32>;
@group(0) @binding(7) var<storage, read_write> force: array<vec4<f32>>;

// Gradient of the tuple's coordinate with respect to its beads, and the coordinate's
// energy and slope.
struct Share {
    energy: f32,
    gradient: vec3<f32>,
}

fn harmonic(q: f32, at: u32) -> vec2<f32> {
    let offset = q - values[at + 1u];
    return vec2<f32>(
        fma(values[at] * offset, offset, values[at + 2u]),
        2.0 * values[at] * offset,
    );
}

fn bond(t: Tuple, x0: vec3<f32>, x1: vec3<f32>) -> Share {
    let a = x0 - x1;
    let r = length_of(a);
    let e = harmonic(r, t.values);
    let toward = select(-1.0, 1.0, t.slot == 0u);
    return Share(e.x, (e.y * toward / r) * a);
}

fn angle(t: Tuple, x0: vec3<f32>, x1: vec3<f32>, x2: vec3<f32>) -> Share {
    let to0 = x0 - x1;
    let to2 = x2 - x1;
    let length0 = length_of(to0);
    let length2 = length_of(to2);
    let a = to0 / length0;
    let b = to2 / length2;
    let c = dot(a, b);
    let e = harmonic(c, t.values);
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

// phi and its gradient after Blondel and Karplus (1996); sin(n phi) and cos(n phi) by rotation.
fn dihedral(t: Tuple, x0: vec3<f32>, x1: vec3<f32>, x2: vec3<f32>, x3: vec3<f32>) -> Share {
    let b1 = x1 - x0;
    let b2 = x2 - x1;
    let b3 = x3 - x2;
    let m = cross(b1, b2);
    let n = cross(b2, b3);
    let square_m = dot(m, m);
    let square_n = dot(n, n);
    let axis = length_of(b2);
    let scale = 1.0 / sqrt(square_m * square_n);
    let one = vec2<f32>(dot(m, n), axis * dot(b1, n)) * scale;
    // (cos, sin) of unit length, which products of lengths keep only roughly.
    let rotation = one / length_of(vec3<f32>(one, 0.0));
    var energy = values[t.values];
    var slope = 0.0;
    var turn = rotation;
    for (var k = 1u; k <= t.degree; k++) {
        let k1 = values[t.values + k];
        let k2 = values[t.values + t.degree + k];
        energy += fma(k1, turn.y, k2 * turn.x);
        slope += f32(k) * fma(k1, turn.x, -k2 * turn.y);
        turn = vec2<f32>(
            fma(turn.x, rotation.x, -turn.y * rotation.y),
            fma(turn.y, rotation.x, turn.x * rotation.y),
        );
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
    return Share(energy, slope * gradient);
}

@compute @workgroup_size(WORKGROUP)
fn prior_bonded(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid) * WORKGROUP + lane;
    if i >= params.n_beads {
        return;
    }
    let first = bead[i].first;
    var sum = vec3<f32>(0.0);
    var energy = 0.0;
    for (var k = tuple_row[bead[i].row]; k < tuple_row[bead[i].row + 1u]; k++) {
        let t = tuples[k];
        if params.term != ALL_TERMS && params.term != t.term {
            continue;
        }
        let x0 = position[first + t.beads.x].xyz;
        let x1 = position[first + t.beads.y].xyz;
        var share: Share;
        if t.form == BOND {
            share = bond(t, x0, x1);
        } else if t.form == ANGLE {
            share = angle(t, x0, x1, position[first + t.beads.z].xyz);
        } else {
            let x2 = position[first + t.beads.z].xyz;
            share = dihedral(t, x0, x1, x2, position[first + t.beads.w].xyz);
        }
        sum -= share.gradient;
        energy += select(0.0, share.energy, t.slot == 0u);
    }
    if params.with_external == 1u {
        sum += external_force[i].xyz;
    }
    force[i] = vec4<f32>(sum, energy);
}
