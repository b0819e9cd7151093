#import common

var<workgroup> addend: array<f32, WORKGROUP>;

// Returns the sum of x over the QUADS invocations of an edge to the first of them.
fn edge_sum(lane: u32, x: f32) -> f32 {
    addend[lane] = x;
    workgroupBarrier();
    for (var stride = QUADS / 2u; stride > 0u; stride /= 2u) {
        if lane % QUADS < stride {
            addend[lane] += addend[lane + stride];
        }
        workgroupBarrier();
    }
    return addend[lane];
}
