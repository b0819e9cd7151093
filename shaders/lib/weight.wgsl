// Weights of linear layers in the format of memory, four outputs at a time, and other numbers such
// as biases in the same buffer: f32. lib/weight_norm has the same functions for 16-bit weights.

alias Weights = vec4<f32>;

// Elements of the buffer that four numbers take.
const NUMBERS: u32 = 1u;
// Whether a scale factor for each output follows the weights of a layer.
const SCALED: bool = false;

fn weights_in(x: Weights) -> vec4<f32> {
    return x;
}

fn numbers_at(at: u32) -> vec4<f32> {
    return weight[at];
}
