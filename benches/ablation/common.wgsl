#import params

const WORKGROUP: u32 = 256u;
// Channels in fours.
const QUADS: u32 = 32u;

// The number of an invocation in its grid.
fn element(id: vec3<u32>, grid: vec3<u32>, lane: u32) -> u32 {
    return workgroup_number(id, grid) * WORKGROUP + lane;
}

// From bead j to bead i; beads in one place do not push each other.
fn direction(x_i: vec4<f32>, x_j: vec4<f32>) -> vec3<f32> {
    let separation = x_i.xyz - x_j.xyz;
    return separation * inverseSqrt(max(dot(separation, separation), 1e-30));
}
