// A barrier that not all invocations reach, which WGSL forbids.
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
var<workgroup> shared_x: array<f32, 64>;

@compute @workgroup_size(64)
fn barrier(@builtin(local_invocation_index) lane: u32) {
    shared_x[lane] = x[lane];
    if x[lane] > 0.0 {
        workgroupBarrier();
    }
    x[lane] = shared_x[63u - lane];
}
