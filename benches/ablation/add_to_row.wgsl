#import common
#import add

var<workgroup> channel: array<f32, 4u * WORKGROUP>;

// Adds the four channels of every invocation to row i of the sums. Invocations exchange channels
// first, so that neighboring invocations add to neighboring channels. This takes fewer memory
// transactions than if each added its own four.
fn add_to_row(lane: u32, inside: bool, i: u32, x: vec4<f32>) {
    channel[4u * lane] = x.x;
    channel[4u * lane + 1u] = x.y;
    channel[4u * lane + 2u] = x.z;
    channel[4u * lane + 3u] = x.w;
    workgroupBarrier();
    let q = lane % QUADS;
    let first = 4u * (lane - q);
    if inside {
        for (var c = q; c < 4u * QUADS; c += QUADS) {
            add(i * 4u * QUADS + c, channel[first + c]);
        }
    }
}
