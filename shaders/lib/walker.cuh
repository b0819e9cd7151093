// The state of a replica beside its beads; the host twin is `gpu::params::Walker`.
//
// A bead that exceeds a limit raises the alarm of its replica. The replica freezes as a whole:
// alarms are raised by kernels that do not read them, and integrate_begin, which raises none, moves
// only replicas without alarm.
#import vector

struct Walker {
    // Å
    float3 origin;
    // k_B T, kcal/mol
    float kt;
    // 8 bead + reason of the lowest bead that exceeded a limit, or NO_ALARM.
    u32 alarm;
    // The number of steps done when the replica froze, plus 1, low and high word; 0 before the next
    // step has begun.
    u32 frozen_low;
    u32 frozen_high;
    u32 padding;
};

constexpr u32 NO_ALARM = 0xffffffffu;
// Reasons of an alarm, in the order of `engine::Reason`.
constexpr u32 POSITION = 0u;
constexpr u32 FORCE = 1u;
constexpr u32 KINETIC = 2u;
constexpr u32 STRETCH = 3u;
constexpr u32 OFF_GRID = 4u;

__device__ inline u32 alarm_of(u32 bead, u32 reason) {
    return 8u * bead + reason;
}
