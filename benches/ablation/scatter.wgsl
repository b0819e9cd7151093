// scatter -- adds the message of every edge to the row of its receiver
//
// reads   receiver [n_edges], message [n_edges, 4 QUADS]
// writes  sums [n_beads, 4 QUADS]   added to; atomics, in no order
// grid    one invocation per edge and channel
#import common
#import add

@group(0) @binding(1) var<storage, read> receiver: array<u32>;
@group(0) @binding(2) var<storage, read> message: array<f32>;

const CHANNELS: u32 = 4u * QUADS;

@compute @workgroup_size(WORKGROUP)
fn scatter(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = element(id, grid, lane);
    if k < arrayLength(&message) {
        add(receiver[k / CHANNELS] * CHANNELS + k % CHANNELS, message[k]);
    }
}
