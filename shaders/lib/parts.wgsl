// Puts numbers as sums of two 16-bit floats, of which the first has the digits that it can have, to
// `rows` and LOW after it. Some compilers take a rounding for none.
fn put_parts(at: u32, x: vec4<f32>) {
    let near = bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) & vec4<u32>(0xffffe000u));
    rows[at] = vec4<f16>(near);
    rows[LOW + at] = vec4<f16>(x - near);
}
