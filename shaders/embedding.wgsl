// embedding -- features of the beads before the first block
//
//   h_i = table[type_i]
//
// reads   bead [n_beads], table [n_types, N_HIDDEN]
// writes  h [n_beads, N_HIDDEN]
// grid    one invocation per feature
// twin    src/reference/network.rs
#import params

const WORKGROUP: u32 = 64u;
const N_HIDDEN: u32 = 128u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bead: array<Bead>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn embedding(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = workgroup_number(id, grid) * WORKGROUP + lane;
    let i = at / N_HIDDEN;
    if i < params.n_beads {
        h[at] = table[bead[i].bead_type * N_HIDDEN + at % N_HIDDEN];
    }
}
