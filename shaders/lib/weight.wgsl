// Weights of linear layers as they lie in memory, four outputs at a time, with biases and other
// numbers among them: f32. lib/weight_norm has the same for 16 bits.

alias Weights = vec4<f32>;

// Places that four numbers take.
const NUMBERS: u32 = 1u;
// Whether a scale for each output follows the weights of a layer.
const SCALED: bool = false;

fn weights_in(x: Weights) -> vec4<f32> {
    return x;
}

fn numbers_at(at: u32) -> vec4<f32> {
    return weight[at];
}
