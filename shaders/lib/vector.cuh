// Short names of types, and componentwise operations on float4 and float3.
using u32 = unsigned int;
using i32 = int;

__device__ inline float4 four(float x) { return make_float4(x, x, x, x); }
__device__ inline float4 operator+(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ inline float4 operator-(float4 a, float4 b) {
    return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ inline float4 operator*(float4 a, float4 b) {
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ inline float4 operator*(float a, float4 b) { return four(a) * b; }
__device__ inline float4& operator+=(float4& a, float4 b) { return a = a + b; }
__device__ inline float4& operator*=(float4& a, float4 b) { return a = a * b; }
__device__ inline float4 fma(float4 a, float4 b, float4 c) {
    return make_float4(
        fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w));
}
__device__ inline float dot(float4 a, float4 b) {
    return (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
}

__device__ inline float3 three(float x) { return make_float3(x, x, x); }
__device__ inline float3 xyz(float4 a) { return make_float3(a.x, a.y, a.z); }
__device__ inline float4 with_w(float3 a, float w) { return make_float4(a.x, a.y, a.z, w); }
__device__ inline float3 operator+(float3 a, float3 b) {
    return make_float3(a.x + b.x, a.y + b.y, a.z + b.z);
}
__device__ inline float3 operator-(float3 a, float3 b) {
    return make_float3(a.x - b.x, a.y - b.y, a.z - b.z);
}
__device__ inline float3 operator-(float3 a) { return make_float3(-a.x, -a.y, -a.z); }
__device__ inline float3 operator*(float a, float3 b) {
    return make_float3(a * b.x, a * b.y, a * b.z);
}
__device__ inline float3& operator+=(float3& a, float3 b) { return a = a + b; }
__device__ inline float3& operator-=(float3& a, float3 b) { return a = a - b; }
__device__ inline float3 fma(float3 a, float3 b, float3 c) {
    return make_float3(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z));
}
__device__ inline float dot(float3 a, float3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
__device__ inline float3 cross(float3 a, float3 b) {
    return make_float3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

__device__ inline u32 bits_of(float x) { return __float_as_uint(x); }
__device__ inline float float_of_bits(u32 x) { return __uint_as_float(x); }

// Two f16 in a word, the first in the lower half; rounded to nearest.
__device__ inline u32 pack_halves(float low, float high) {
    u32 word;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#else
    asm("{\n"
        ".reg .b16 low, high;\n"
        "cvt.rn.f16.f32 low, %1;\n"
        "cvt.rn.f16.f32 high, %2;\n"
        "mov.b32 %0, {low, high};\n"
        "}"
        : "=r"(word)
        : "f"(low), "f"(high));
#endif
    return word;
}
__device__ inline float2 unpack_halves(u32 word) {
    float2 two;
    asm("{\n"
        ".reg .b16 low, high;\n"
        "mov.b32 {low, high}, %2;\n"
        "cvt.f32.f16 %0, low;\n"
        "cvt.f32.f16 %1, high;\n"
        "}"
        : "=f"(two.x), "=f"(two.y)
        : "r"(word));
    return two;
}

__device__ inline float3 operator/(float3 a, float b) {
    return make_float3(a.x / b, a.y / b, a.z / b);
}
// dot(a, a) with fixed operations. Kernels that must agree on which pairs are near then do not
// depend on how the compiler contracts.
__device__ inline float square_of(float3 a) { return fmaf(a.z, a.z, fmaf(a.y, a.y, a.x * a.x)); }

// The sum over a warp, in every lane.
__device__ inline u32 warp_sum(u32 n) {
#if __CUDA_ARCH__ >= 800
    return __reduce_add_sync(0xffffffffu, n);
#else
    for (u32 stride = 16u; stride > 0u; stride /= 2u) {
        n += __shfl_xor_sync(0xffffffffu, n, stride);
    }
    return n;
#endif
}

// The sum over each LANES consecutive lanes of a warp, in the first of them, as a tree: lane k adds
// lane k + LANES / 2, and so on. LANES is a power of 2. All lanes of the warp must call this.
template <u32 LANES>
__device__ inline float4 tree_sum(float4 a) {
    static_assert(LANES <= 32u && (LANES & (LANES - 1u)) == 0u, "a power of 2 within a warp");
    for (u32 stride = LANES / 2u; stride > 0u; stride /= 2u) {
        a += make_float4(
            __shfl_down_sync(0xffffffffu, a.x, stride, LANES),
            __shfl_down_sync(0xffffffffu, a.y, stride, LANES),
            __shfl_down_sync(0xffffffffu, a.z, stride, LANES),
            __shfl_down_sync(0xffffffffu, a.w, stride, LANES));
    }
    return a;
}
