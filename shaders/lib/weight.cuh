// Weights of linear layers as they lie in memory, four outputs at a time, with biases and other
// numbers among them: f32. lib/weight_norm has the same for 16 bits.
#import vector

using Weights = float4;

// Places that four numbers take.
constexpr u32 NUMBERS = 1u;
// Whether a scale for each output follows the weights of a layer.
constexpr bool SCALED = false;

__device__ inline float4 weights_in(Weights x) { return x; }

__device__ inline float4 numbers_at(const Weights* weight, u32 at) { return __ldg(&weight[at]); }
