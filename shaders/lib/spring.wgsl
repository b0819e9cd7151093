// The numbers of biases, which are behind the variables. A kernel that imports this file binds both as
// `variables`. `gpu::biases` is the host twin of the layout.
#import math

// The number of biases. Bias k belongs to variable k.
fn n_biases() -> u32 {
    return variables[0];
}

// The rows of numbers: 1, or one for each state of a ladder or for each replica.
fn n_rows() -> u32 {
    return variables[1];
}

// The numbers of a bias in a row. A harmonic bias has the range from its center to its center.
struct Spring {
    k: f32,
    lower: f32,
    upper: f32,
}

// The place of the numbers of bias k in a row.
fn spring_place(k: u32, row: u32) -> u32 {
    return variables[2] + 3u * (n_biases() * min(row, n_rows() - 1u) + k);
}

fn spring_at(k: u32, row: u32) -> Spring {
    let at = spring_place(k, row);
    return Spring(
        bitcast<f32>(variables[at]),
        bitcast<f32>(variables[at + 1u]),
        bitcast<f32>(variables[at + 2u]),
    );
}

// How far q is above the range; negative below it.
fn excess(s: Spring, q: f32) -> f32 {
    return min(q - s.lower, 0.0) + max(q - s.upper, 0.0);
}

// The multiple of 2 pi that moves the angle of a dihedral next to the middle of the range.
fn turns_of(s: Spring, q: f32) -> f32 {
    return floor((q - 0.5 * (s.lower + s.upper) + PI) / (2.0 * PI));
}
