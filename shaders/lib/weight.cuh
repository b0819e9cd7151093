// Weights of linear layers in the format of memory, four outputs at a time, and other numbers such
// as biases in the same buffer: f32. lib/weight_norm has the same functions for 16-bit weights.
#import vector

using Weights = float4;

// Elements of the buffer that four numbers take.
constexpr u32 NUMBERS = 1u;
// Whether a scale factor for each output follows the weights of a layer.
constexpr bool SCALED = false;

__device__ inline float4 weights_in(Weights x) { return x; }

__device__ inline float4 numbers_at(const Weights* weight, u32 at) { return __ldg(&weight[at]); }
