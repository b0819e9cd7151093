// The state of a replica beside its beads; the host twin is `gpu::params::Walker`.
//
// A bead that exceeds a limit raises the alarm of its replica. The replica freezes as a whole:
// alarms are raised by kernels that do not read them, and integrate_begin, which raises none, moves
// only replicas without alarm.
struct Walker {
    // Å
    origin: vec3<f32>,
    // k_B T, kcal/mol
    kt: f32,
    // 8 bead + reason of the lowest bead that exceeded a limit, or NO_ALARM.
    alarm: atomic<u32>,
    // The number of steps done when the replica froze, plus 1, low and high word; 0 before the next
    // step has begun.
    frozen_low: u32,
    frozen_high: u32,
    padding: u32,
}

const NO_ALARM: u32 = 0xffffffffu;
// Reasons of an alarm, in the order of `engine::Reason`.
const POSITION: u32 = 0u;
const FORCE: u32 = 1u;
const KINETIC: u32 = 2u;
const STRETCH: u32 = 3u;
const OFF_GRID: u32 = 4u;

fn alarm_of(bead: u32, reason: u32) -> u32 {
    return 8u * bead + reason;
}
