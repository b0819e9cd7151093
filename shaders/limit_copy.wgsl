// limit_copy -- measures the memory bandwidth of the device
//
//   copied = source, 16 bytes per invocation
//
// reads   source [params.n_beads]
// writes  copied [params.n_beads]   overwritten
// grid    one invocation per element
// twin    src/gpu/ceilings.rs
#import params

const WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn limit_copy(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = workgroup_number(id, grid) * WORKGROUP + lane;
    if k < params.n_beads {
        copied[k] = source[k];
    }
}
