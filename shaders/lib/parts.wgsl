// Stores x as the sum of two f16, the high part in `rows[at]`, the low part in `rows[LOW + at]`. A
// mask cuts the high part to the digits of an f16, because some compilers drop a conversion to f16
// and back.
fn put_parts(at: u32, x: vec4<f32>) {
    let near = bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) & vec4<u32>(0xffffe000u));
    rows[at] = vec4<f16>(near);
    rows[LOW + at] = vec4<f16>(x - near);
}
