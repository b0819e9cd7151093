// lib/weight with normalised 16-bit integers, in units of the largest weight of their output. Near
// the largest weight their errors are 1/16 of those of f16.

alias Weights = vec2<u32>;

const NUMBERS: u32 = 2u;
const SCALED: bool = true;

fn weights_in(x: Weights) -> vec4<f32> {
    return vec4<f32>(unpack2x16snorm(x.x), unpack2x16snorm(x.y));
}

fn numbers_at(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(weight[at], weight[at + 1u]));
}
