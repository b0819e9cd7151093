// What the 32 invocations of a subgroup tell each other.

fn largest_of_lanes(x: f32, lane: u32) -> f32 {
    return subgroupMax(x);
}
