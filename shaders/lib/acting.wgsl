// The force that acts on a bead in a half kick.

// The weight of the slow force. In dynamics with multiple time steps it is the number of steps of an
// outer step in the first and the last half kick, and 0 between them; else it is 1.
const SLOW_WEIGHT: f32 = 1.0;
// Whether the buffer `force` has the bias range.
const HAS_BIAS: bool = false;

// The force on bead i, kcal/mol/Å; w: its energy, kcal/mol. A product with 1 is exact.
fn acting(i: u32) -> vec4<f32> {
    var total = force[i];
    if SLOW_WEIGHT != 0.0 {
        total += SLOW_WEIGHT * force[slow(i)];
    }
    if HAS_BIAS {
        total += force[biased(i)];
    }
    return total;
}
