// lib/lanes for devices without subgroups of 32: 32 consecutive invocations emulate a subgroup.

var<workgroup> of_lanes: array<f32, WORKGROUP>;

fn largest_of_lanes(x: f32, lane: u32) -> f32 {
    workgroupBarrier();
    of_lanes[lane] = x;
    workgroupBarrier();
    var largest = x;
    for (var k = 0u; k < 32u; k++) {
        largest = max(largest, of_lanes[lane / 32u * 32u + k]);
    }
    return largest;
}
