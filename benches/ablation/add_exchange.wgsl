@group(0) @binding(0) var<storage, read_write> sums: array<atomic<u32>>;

fn add(k: u32, x: f32) {
    var old = atomicLoad(&sums[k]);
    loop {
        let sum = bitcast<u32>(bitcast<f32>(old) + x);
        let found = atomicCompareExchangeWeak(&sums[k], old, sum);
        if found.exchanged {
            break;
        }
        old = found.old_value;
    }
}
