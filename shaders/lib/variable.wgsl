// Variables, scalar functions of the positions of one replica: values and gradients, computed by one
// workgroup for each replica. `crate::Variable` has the equations; the host twin of the layout is
// `gpu::variables`.
//
// A kernel that imports this file declares WORKGROUP, a power of 2, and the bindings `position` and
// `variables`. It calls `evaluate` in uniform control flow. All invocations get the same result, from
// which `gradient` gives the gradient at any bead.
//
// Positions are taken relative to a bead and then to the center, so that no digits are lost far from
// the origin. An RMSD is the length of the residuals of the optimal rotation: its formula by the
// eigenvalue is a small difference of large numbers.
#import math
#import separation
#import angles

// Kinds of variables; the host twin is `gpu::variables::kind`.
const VARIABLE_POSITION: u32 = 0u;
const VARIABLE_DISTANCE: u32 = 1u;
const VARIABLE_ANGLE: u32 = 2u;
const VARIABLE_DIHEDRAL: u32 = 3u;
const VARIABLE_GYRATION: u32 = 4u;
const VARIABLE_RMSD: u32 = 5u;
const VARIABLE_CONTACTS: u32 = 6u;

// Words of the header of a variable. In `variables` come first, in as many words, the number of
// variables and the layout of lib/spring; then the headers of all variables.
const HEADER_WORDS: u32 = 8u;
// Squarings of the matrix of an optimal rotation: its eigenvalues may differ by a relative 1e-6.
const SQUARINGS: u32 = 24u;

// The header of a variable. `beads`, `table` and `reference` are places in `variables`.
struct Variable {
    kind: u32,
    // Number of beads, or 0 for all beads of the replica; of the first group of a distance. For
    // contacts twice the number of pairs, because each pair is in the list of both its beads.
    count: u32,
    // Number of beads of the second group of a distance.
    second: u32,
    // Bead numbers, group after group. For contacts bead, partner and lambda d of each entry, Å.
    beads: u32,
    // A word for each bead up to the last of the variable. Distance: the weight of the bead.
    // Contacts: the first entry of the bead, and at the end their number. Else 0, or the number of
    // the bead in `beads` plus 1.
    table: u32,
    // Number of beads in the table.
    table_beads: u32,
    // Three words for each bead, Å. RMSD: the place relative to the center. Position: the place in
    // whole Å, and three words more for the rest.
    reference: u32,
    // Contacts: beta, 1/Å.
    beta: f32,
}

// The replica of a workgroup.
struct Here {
    first: u32,
    n_beads: u32,
    // Å
    origin: vec3<f32>,
}

// A variable at the present positions: its value, and vectors for the gradient. Distance: `a` is
// the direction from the second center to the first. Radius of gyration and RMSD: `a` is the center,
// relative to the first bead. RMSD: `b`, `c` and `d` are the rows of the rotation.
struct Evaluated {
    value: f32,
    a: vec3<f32>,
    b: vec3<f32>,
    c: vec3<f32>,
    d: vec3<f32>,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;
var<workgroup> shared_kind: u32;

// The sum over the workgroup, as a tree of fixed shape.
fn workgroup_sum(x: vec4<f32>, lane: u32) -> vec4<f32> {
    partial[lane] = x;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if lane < stride {
            partial[lane] += partial[lane + stride];
        }
        workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
}

fn n_variables() -> u32 {
    return variables[0];
}

fn variable_at(k: u32) -> Variable {
    let at = HEADER_WORDS * (1u + k);
    return Variable(
        variables[at], variables[at + 1u], variables[at + 2u], variables[at + 3u],
        variables[at + 4u], variables[at + 5u], variables[at + 6u],
        bitcast<f32>(variables[at + 7u]),
    );
}

fn real(at: u32) -> f32 {
    return bitcast<f32>(variables[at]);
}

fn reals(at: u32) -> vec3<f32> {
    return vec3<f32>(real(at), real(at + 1u), real(at + 2u));
}

fn n_beads_of(v: Variable, here: Here) -> u32 {
    return select(v.count, here.n_beads, v.count == 0u);
}

// Position of bead i of the variable's list.
fn listed(v: Variable, here: Here, i: u32) -> Position {
    if v.count == 0u {
        return position[here.first + i];
    }
    return position[here.first + variables[v.beads + i]];
}

// The word of the table for a bead of the replica.
fn table_word(v: Variable, bead: u32) -> u32 {
    if bead < v.table_beads {
        return variables[v.table + bead];
    }
    return 0u;
}

// Displacement of bead i of the list from its reference. The difference of whole numbers is exact.
fn displacement(v: Variable, here: Here, i: u32) -> vec3<f32> {
    let at = v.reference + 6u * i;
    let x = listed(v, here, i);
    return (x.high.xyz - (reals(at) - here.origin)) + (x.low.xyz - reals(at + 3u));
}

// Sum over `count` beads, which start at bead `start` of the list, of their separations from the
// first of them.
fn spread(v: Variable, here: Here, start: u32, count: u32, lane: u32) -> vec3<f32> {
    let anchor = listed(v, here, start);
    var sum = vec3<f32>(0.0);
    for (var i = lane; i < count; i += WORKGROUP) {
        sum += separation(listed(v, here, start + i), anchor);
    }
    return workgroup_sum(vec4<f32>(sum, 0.0), lane).xyz;
}

fn turn(e: Evaluated, z: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(dot(e.b, z), dot(e.c, z), dot(e.d, z));
}

// Position x relative to the center, less the rotated reference of bead i of the list.
fn residual(v: Variable, here: Here, e: Evaluated, i: u32) -> vec3<f32> {
    let y = separation(listed(v, here, i), listed(v, here, 0u)) - e.a;
    if v.kind == VARIABLE_GYRATION {
        return y;
    }
    return y - turn(e, reals(v.reference + 3u * i));
}

// The rows of the rotation R for which the sum of |y - R z|^2 is smallest. The columns are the sums
// of z y_x, z y_y and z y_z. The host twin, with the method, is src/variable/rotation.rs.
fn best_rotation(of_x: vec3<f32>, of_y: vec3<f32>, of_z: vec3<f32>) -> mat3x3<f32> {
    let off = vec3<f32>(of_z.y - of_y.z, of_x.z - of_z.x, of_y.x - of_x.y);
    let xy = of_y.x + of_x.y;
    let zx = of_x.z + of_z.x;
    let yz = of_z.y + of_y.z;
    let s = vec3<f32>(of_x.x, of_y.y, of_z.z);
    var power = mat4x4<f32>(
        vec4<f32>(s.x + s.y + s.z, off),
        vec4<f32>(off.x, s.x - s.y - s.z, xy, zx),
        vec4<f32>(off.y, xy, s.y - s.x - s.z, yz),
        vec4<f32>(off.z, zx, yz, s.z - s.x - s.y),
    );
    let bound = sqrt(dot(power[0], power[0]) + dot(power[1], power[1])
        + dot(power[2], power[2]) + dot(power[3], power[3]));
    var scale = 0.0;
    if bound > 0.0 {
        scale = 1.0 / bound;
    }
    power = scale * power;
    power[0].x += 1.0;
    power[1].y += 1.0;
    power[2].z += 1.0;
    power[3].w += 1.0;
    for (var k = 0u; k < SQUARINGS; k++) {
        power = (1.0 / (power[0].x + power[1].y + power[2].z + power[3].w)) * power;
        power = power * power;
    }
    var longest = power[0];
    var largest = power[0].x;
    if power[1].y > largest {
        longest = power[1];
        largest = power[1].y;
    }
    if power[2].z > largest {
        longest = power[2];
        largest = power[2].z;
    }
    if power[3].w > largest {
        longest = power[3];
    }
    // With one Newton step for the square root, because R scales with the square of q.
    let near = longest / sqrt(dot(longest, longest));
    let q = fma(-0.5, dot(near, near), 1.5) * near;
    let w = q.x;
    let v = q.yzw;
    return mat3x3<f32>(
        vec3<f32>(w * w + v.x * v.x - v.y * v.y - v.z * v.z,
            2.0 * (v.x * v.y - w * v.z), 2.0 * (v.x * v.z + w * v.y)),
        vec3<f32>(2.0 * (v.x * v.y + w * v.z),
            w * w - v.x * v.x + v.y * v.y - v.z * v.z, 2.0 * (v.y * v.z - w * v.x)),
        vec3<f32>(2.0 * (v.x * v.z - w * v.y), 2.0 * (v.y * v.z + w * v.x),
            w * w - v.x * v.x - v.y * v.y + v.z * v.z),
    );
}

fn bend_at(v: Variable, here: Here) -> Bend {
    let middle = listed(v, here, 1u);
    return bend_of(
        separation(listed(v, here, 0u), middle),
        separation(listed(v, here, 2u), middle),
    );
}

fn torsion_at(v: Variable, here: Here) -> Torsion {
    let x1 = listed(v, here, 1u);
    let x2 = listed(v, here, 2u);
    return torsion_of(
        separation(x1, listed(v, here, 0u)),
        separation(x2, x1),
        separation(listed(v, here, 3u), x2),
    );
}

// Separation, contact and slope with respect to the distance of an entry of the contacts.
struct Contact {
    between: vec3<f32>,
    distance: f32,
    contact: f32,
    slope: f32,
}

fn contact_at(v: Variable, here: Here, entry: u32) -> Contact {
    let at = v.beads + 3u * entry;
    let own = position[here.first + variables[at]];
    let between = separation(own, position[here.first + variables[at + 1u]]);
    let distance = length_of(between);
    // Beyond the bounds contact and slope are 0 in f32, or 1 and 0.
    let x = clamp(v.beta * (distance - real(at + 2u)), -80.0, 80.0);
    let contact = 1.0 / (1.0 + exp_of(x));
    return Contact(between, distance, contact, -v.beta * contact / (1.0 + exp_of(-x)));
}

// Variable k at the positions of a replica.
fn evaluate(k: u32, here: Here, lane: u32) -> Evaluated {
    if lane == 0u {
        shared_kind = variables[HEADER_WORDS * (1u + k)];
    }
    let kind = workgroupUniformLoad(&shared_kind);
    let v = variable_at(k);
    var e: Evaluated;
    if kind == VARIABLE_POSITION {
        var sum = 0.0;
        for (var i = lane; i < v.count; i += WORKGROUP) {
            let moved = displacement(v, here, i);
            sum += dot(moved, moved);
        }
        e.value = sqrt(workgroup_sum(vec4<f32>(sum), lane).x / f32(v.count));
    } else if kind == VARIABLE_DISTANCE {
        let center0 = spread(v, here, 0u, v.count, lane) / f32(v.count);
        let center1 = spread(v, here, v.count, v.second, lane) / f32(v.second);
        let anchors = separation(listed(v, here, 0u), listed(v, here, v.count));
        let between = anchors + (center0 - center1);
        e.value = length_of(between);
        e.a = unit_of(between, e.value);
    } else if kind == VARIABLE_ANGLE {
        let bend = bend_at(v, here);
        e.value = atan2_of(sqrt(bend.sin2), bend.cosine);
    } else if kind == VARIABLE_DIHEDRAL {
        let rotation = torsion_at(v, here).rotation;
        let phi = atan2_of(rotation.y, rotation.x);
        e.value = select(phi, -PI, phi >= PI);
    } else if kind == VARIABLE_CONTACTS {
        var sum = 0.0;
        for (var entry = lane; entry < v.count; entry += WORKGROUP) {
            sum += contact_at(v, here, entry).contact;
        }
        e.value = workgroup_sum(vec4<f32>(sum), lane).x / f32(v.count);
    } else {
        let n = n_beads_of(v, here);
        e.a = spread(v, here, 0u, n, lane) / f32(n);
        if kind == VARIABLE_RMSD {
            var of_x = vec3<f32>(0.0);
            var of_y = vec3<f32>(0.0);
            var of_z = vec3<f32>(0.0);
            for (var i = lane; i < n; i += WORKGROUP) {
                let y = separation(listed(v, here, i), listed(v, here, 0u)) - e.a;
                let z = reals(v.reference + 3u * i);
                of_x += y.x * z;
                of_y += y.y * z;
                of_z += y.z * z;
            }
            let rows = best_rotation(
                workgroup_sum(vec4<f32>(of_x, 0.0), lane).xyz,
                workgroup_sum(vec4<f32>(of_y, 0.0), lane).xyz,
                workgroup_sum(vec4<f32>(of_z, 0.0), lane).xyz,
            );
            e.b = rows[0];
            e.c = rows[1];
            e.d = rows[2];
        }
        var sum = 0.0;
        for (var i = lane; i < n; i += WORKGROUP) {
            let rest = residual(v, here, e, i);
            sum += dot(rest, rest);
        }
        e.value = sqrt(workgroup_sum(vec4<f32>(sum), lane).x / f32(n));
    }
    return e;
}

// Gradient of variable k with respect to a bead of the replica, counted from its first bead.
fn gradient(k: u32, e: Evaluated, here: Here, bead: u32) -> vec3<f32> {
    let v = variable_at(k);
    var sum = vec3<f32>(0.0);
    if v.kind == VARIABLE_DISTANCE {
        sum = bitcast<f32>(table_word(v, bead)) * e.a;
    } else if v.kind == VARIABLE_CONTACTS {
        if bead < v.table_beads {
            let end = variables[v.table + bead + 1u];
            for (var entry = variables[v.table + bead]; entry < end; entry++) {
                let found = contact_at(v, here, entry);
                sum += found.slope * unit_of(found.between, found.distance);
            }
        }
        sum *= 2.0 / f32(v.count);
    } else {
        var number = table_word(v, bead);
        if v.count == 0u {
            number = bead + 1u;
        }
        if number > 0u {
            let i = number - 1u;
            let scale = 1.0 / (f32(n_beads_of(v, here)) * max(e.value, DISTANCE_FLOOR));
            if v.kind == VARIABLE_ANGLE {
                let bend = bend_at(v, here);
                sum = (-1.0 / floored_sine(bend)) * bend_gradient(bend, i);
            } else if v.kind == VARIABLE_DIHEDRAL {
                sum = torsion_gradient(torsion_at(v, here), i);
            } else if v.kind == VARIABLE_POSITION {
                sum = scale * displacement(v, here, i);
            } else {
                sum = scale * residual(v, here, e, i);
            }
        }
    }
    return sum;
}
