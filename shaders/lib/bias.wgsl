// Biases, potentials of variables: `crate::bias` has the equations, and `gpu::biases` the host twin of
// the layout. A kernel that imports this file declares what lib/variable needs.
#import variable
#import spring

// `excess` for the value of a variable. The angle of a dihedral is first moved by a multiple of 2 pi
// next to the middle of the range.
fn excess_of(s: Spring, kind: u32, q: f32) -> f32 {
    if kind == VARIABLE_DIHEDRAL {
        return excess(s, q - turns_of(s, q) * (2.0 * PI));
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
