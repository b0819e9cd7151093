// Exchange between the 32 invocations of a subgroup.

fn largest_of_lanes(x: f32, lane: u32) -> f32 {
    return subgroupMax(x);
}
