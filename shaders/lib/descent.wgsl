// The minimization of a replica between two steps; the host twin is `gpu::params::Descent`.
struct Descent {
    // RUNNING, or the reason of the end.
    status: u32,
    steps_left: u32,
    // Steps downhill since the last one uphill.
    good: u32,
    // The bead whose force is not finite, if BROKEN.
    bead: u32,
    // Time step h, for masses of 1
    step: f32,
    mixing: f32,
    // Squares of the tolerance and of the largest force on a bead, (kcal/mol/Å)^2
    tolerance2: f32,
    largest2: f32,
}

const RUNNING: u32 = 0u;
const CONVERGED: u32 = 1u;
// No step is left.
const EXHAUSTED: u32 = 2u;
// A force is not finite.
const BROKEN: u32 = 3u;
// The replica was frozen before.
const FROZEN: u32 = 4u;
const NO_BEAD: u32 = 0xffffffffu;
