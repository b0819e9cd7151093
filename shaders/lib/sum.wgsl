// The sum and its rounding error (Neumaier 1974). Compilers do not cancel this order of operations.
fn add(a: vec2<f32>, b: f32) -> vec2<f32> {
    let sum = a.x + b;
    let big = select(b, a.x, abs(a.x) >= abs(b));
    let small = select(a.x, b, abs(a.x) >= abs(b));
    return vec2<f32>(sum, a.y + ((big - sum) + small));
}
