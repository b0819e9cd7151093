#import random

// Whole numbers of 64 bits. Bindings hold them as (low word, high word).
using u64 = unsigned long long;

__device__ inline u64 wide_of(uint2 words) { return (u64(words.y) << 32u) | words.x; }

// A number of 128 bits.
struct Long {
    u64 low;
    u64 high;
};

__device__ inline bool long_below(Long a, Long b) {
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

__device__ inline Long long_plus(Long a, Long b) {
    const u64 low = a.low + b.low;
    return {low, a.high + b.high + u64(low < a.low)};
}

__device__ inline Long long_minus(Long a, Long b) {
    return {a.low - b.low, a.high - b.high - u64(a.low < b.low)};
}

__device__ inline Long product(u64 a, u64 b) { return {a * b, __umul64hi(a, b)}; }

// |a - b|
__device__ inline u64 apart(u64 a, u64 b) { return a < b ? b - a : a - b; }
