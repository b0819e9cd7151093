// Biases, potentials of variables: `crate::bias` has the equations, and `gpu::biases` the host twin of
// the layout. A kernel that imports this file declares what lib/variable needs.
#import variable

// The number of biases. Bias k belongs to variable k.
const BIASES: u32 = 1u;
// The rows of numbers: 1, or one for each state of a ladder or for each replica.
const ROWS: u32 = 1u;
// The place of the numbers in `variables`.
const NUMBERS: u32 = 0u;

// The numbers of a bias in a row. A harmonic bias has the range from its center to its center.
struct Spring {
    k: f32,
    lower: f32,
    upper: f32,
}

fn spring_at(k: u32, row: u32) -> Spring {
    let at = NUMBERS + 3u * (BIASES * min(row, ROWS - 1u) + k);
    return Spring(real(at), real(at + 1u), real(at + 2u));
}

// How far q is above the range; negative below it.
fn excess(s: Spring, q: f32) -> f32 {
    return min(q - s.lower, 0.0) + max(q - s.upper, 0.0);
}

// The same for the value of a variable. The angle of a dihedral is first moved by a multiple of 2 pi
// next to the middle of the range.
fn excess_of(s: Spring, kind: u32, q: f32) -> f32 {
    if kind == VARIABLE_DIHEDRAL {
        let turns = floor((q - 0.5 * (s.lower + s.upper) + PI) / (2.0 * PI));
        return excess(s, q - turns * (2.0 * PI));
    }
    return excess(s, q);
}

// The energy of bias k with the numbers of a row, kcal/mol. Called in uniform control flow, after
// `evaluate` of variable k.
fn bias_energy(k: u32, row: u32, e: Evaluated, here: Here, lane: u32) -> f32 {
    let s = spring_at(k, row);
    let kind = workgroupUniformLoad(&shared_kind);
    var square = 0.0;
    if kind == VARIABLE_POSITION {
        let v = variable_at(k);
        var sum = 0.0;
        for (var i = lane; i < v.count; i += WORKGROUP) {
            let x = excess(s, length_of(displacement(v, here, i)));
            sum += x * x;
        }
        square = workgroup_sum(vec4<f32>(sum), lane).x;
    } else {
        let x = excess_of(s, kind, e.value);
        square = x * x;
    }
    return s.k * square;
}

// The force of bias k on a bead of the replica, counted from its first bead.
fn bias_force(k: u32, row: u32, e: Evaluated, here: Here, bead: u32) -> vec3<f32> {
    let s = spring_at(k, row);
    let v = variable_at(k);
    if v.kind != VARIABLE_POSITION {
        return (-2.0 * s.k * excess_of(s, v.kind, e.value)) * gradient(k, e, here, bead);
    }
    let number = table_word(v, bead);
    if number == 0u {
        return vec3<f32>(0.0);
    }
    let moved = displacement(v, here, number - 1u);
    let distance = length_of(moved);
    return (-2.0 * s.k * excess(s, distance)) * unit_of(moved, distance);
}
