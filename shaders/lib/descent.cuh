// The minimization of a replica between two steps; the host twin is `gpu::params::Descent`.
#import vector

struct Descent {
    // RUNNING, or the reason of the end.
    u32 status;
    u32 steps_left;
    // Steps downhill since the last one uphill.
    u32 good;
    // The bead whose force is not finite, if BROKEN.
    u32 bead;
    // Time step h, for masses of 1
    float step;
    float mixing;
    // Squares of the tolerance and of the largest force on a bead, (kcal/mol/Å)^2
    float tolerance2;
    float largest2;
};

constexpr u32 RUNNING = 0u;
constexpr u32 CONVERGED = 1u;
// No step is left.
constexpr u32 EXHAUSTED = 2u;
// A force is not finite.
constexpr u32 BROKEN = 3u;
// The replica was frozen before.
constexpr u32 FROZEN = 4u;
constexpr u32 NO_BEAD = 0xffffffffu;
