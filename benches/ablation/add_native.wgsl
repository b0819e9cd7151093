@group(0) @binding(0) var<storage, read_write> sums: array<atomic<f32>>;

fn add(k: u32, x: f32) {
    atomicAdd(&sums[k], x);
}
