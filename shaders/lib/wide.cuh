#import random

// Whole numbers of 64 bits. Bindings hold them as (low word, high word).
using u64 = unsigned long long;

__device__ inline u64 wide_of(uint2 words) { return (u64(words.y) << 32u) | words.x; }

// |a - b|
__device__ inline u64 apart(u64 a, u64 b) { return a < b ? b - a : a - b; }
