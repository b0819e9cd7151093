// lib/dense on tensor cores: the same functions, for tiles of 16 rows.
//
// Tensor cores multiply f16 and add f32. Each operand is stored as the sum of two f16, high and
// low. With three of the four products a layer is as exact as in f32:
//   W x = (W_high x_high + W_high x_low + W_low x_high) / scale
// Each row of inputs has its own power of two as scale factor, and all weights share one, so that
// both stay in the range of f16. The result for a row does not depend on the other rows.
//
// `weight` holds the biases as in lib/dense, with widths that are multiples of 16, and the scale
// factor. `halves` holds the high and low parts of the weights in matrices of 16 x 16, each output by
// output.
#import vector
#import weight

// The threads of a warp share a row; each holds a quad of its columns.
constexpr u32 LANES = 32u;
constexpr u32 WIDTH = 32u;
// Rows of a thread.
constexpr u32 ROWS = 4u;
constexpr u32 SUBGROUPS = WORKGROUP / LANES;
constexpr u32 TILE = SUBGROUPS * ROWS;
// Quads from one row to the next: STRIDE is an odd number of matrices, SUM_STRIDE is two quads more
// than whole matrices. The quads that half a warp accesses at a time are then in different banks.
constexpr u32 STRIDE = (WIDTH / 4u | 1u) * 4u;
constexpr u32 SUM_STRIDE = WIDTH + 2u;
// Matrices along the inputs that are loaded at once.
constexpr u32 AT_ONCE = 4u;
// Offset of the low parts of the weights, in quads.
constexpr u32 LOW_AT = 0u;
// Place of the number 1 / scale factor of the weights in `weight`.
constexpr u32 UNSCALE_AT = 0u;
// Index of the argument `halves`, the last one.
constexpr u32 HALVES = 8u;
static_assert(HALVES > 0u && LANES == 32u && LANES >= WIDTH && WIDTH % 4u == 0u);
static_assert(TILE == 16u);
// The numbers in `weight` are f32.
static_assert(!SCALED && NUMBERS == 1u);

#define HALVES_ARGUMENT , const uint2* __restrict__ halves
#define CHAIN Chain{weight, halves, {}}

// The quads that a thread holds: one of each of its rows.
struct Held {
    float4 row[ROWS];
    __device__ float4& operator[](u32 r) { return row[r]; }
    __device__ const float4& operator[](u32 r) const { return row[r]; }
};

// The buffers of the layers.
struct Chain {
    const Weights* weight;
    const uint2* halves;
    // 1 / scale factor of the rows of a thread.
    float unscale[ROWS];
};

__shared__ uint2 high[TILE * STRIDE];
__shared__ uint2 low[TILE * STRIDE];
__shared__ float4 sums[TILE * SUM_STRIDE];

// n quads, rounded up to whole matrices.
__device__ inline u32 whole(u32 n) { return (n + 3u) / 4u * 4u; }

// The part of a matrix of 16 x 16 inputs that a thread holds: quad t of rows g and g + 8, with g =
// lane / 4, t = lane % 4.
struct Rows {
    uint2 top;
    uint2 bottom;
};

// The part of a matrix of 16 x 16 sums that a thread holds: columns 2 t and 2 t + 1 of rows g and g
// + 8, then the columns 8 further.
struct Sum {
    float at[8];
};

__device__ inline Rows rows_at(const uint2* rows) { return Rows{rows[0], rows[8u * STRIDE]}; }

// sum += x w for 8 columns. The instruction assigns inputs 2 t, 2 t + 1, 2 t + 8 and 2 t + 9 of
// both operands to thread t, and sums over all inputs. Their order does not matter, so thread t
// takes inputs 4 t to 4 t + 3 of both operands, which are adjacent in memory.
__device__ inline void multiply_add(float* sum, Rows x, uint2 w) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(x.top.x), "r"(x.bottom.x), "r"(x.top.y), "r"(x.bottom.y), "r"(w.x), "r"(w.y));
}

// W x for a layer of n_in to n_out quads.
__device__ __forceinline__ Held product(
    const Chain& chain, u32 at, u32 n_in, u32 n_out, u32 lane) {
    const u32 width = whole(n_out);
    const u32 g = lane % 32u / 4u;
    const u32 t = lane % 4u;
    for (u32 c = lane / LANES * 4u; c < width; c += 4u * SUBGROUPS) {
        // Tensor cores truncate terms that they add to a large sum. They therefore accumulate only
        // the products with a low part, which are small; ordinary f32 additions sum the products of
        // high parts.
        Sum upper = {};
        Sum lower = {};
#pragma unroll AT_ONCE
        for (u32 k = 0u; k < whole(n_in); k += 4u) {
            const uint2* matrix = &chain.halves[at + 4u * k * width + 16u * c + 4u * g + t];
            const Rows x = rows_at(&high[g * STRIDE + k + t]);
            const Rows x_low = rows_at(&low[g * STRIDE + k + t]);
#pragma unroll
            for (u32 half = 0u; half < 2u; half++) {
                const uint2 w = __ldg(&matrix[32u * half]);
                float added[4] = {};
                multiply_add(added, x, w);
#pragma unroll
                for (u32 s = 0u; s < 4u; s++) {
                    upper.at[4u * half + s] += added[s];
                }
                const uint2 w_low = __ldg(&matrix[LOW_AT + 32u * half]);
                multiply_add(&lower.at[4u * half], x, w_low);
                multiply_add(&lower.at[4u * half], x_low, w);
            }
        }
#pragma unroll
        for (u32 s = 0u; s < 8u; s += 2u) {
            // Row g or g + 8, the first or the last 8 columns.
            const u32 quad = (g + s / 2u % 2u * 8u) * SUM_STRIDE + c + s / 4u * 2u;
            const float2 two = make_float2(
                upper.at[s] + lower.at[s], upper.at[s + 1u] + lower.at[s + 1u]);
            reinterpret_cast<float2*>(&sums[quad])[t] = two;
        }
    }
    __syncthreads();
    const u32 q = min(lane % LANES, width - 1u);
    Held held;
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        held[r] = chain.unscale[r] * sums[(lane / LANES * ROWS + r) * SUM_STRIDE + q];
    }
    return held;
}

// Quad q of the bias of a layer.
__device__ inline float4 bias_of(const Chain& chain, u32 at, u32 n_in, u32 n_out, u32 q) {
    return numbers_at(chain.weight, at + 4u * whole(n_in) * whole(n_out) + min(q, n_out - 1u));
}

__device__ inline uint2 rounded(float4 x) {
    return make_uint2(pack_halves(x.x, x.y), pack_halves(x.z, x.w));
}

// x cut to the digits of an f16, for the high part.
__device__ inline float digits(float x) { return float_of_bits(bits_of(x) & 0xffffe000u); }

// Stores the quads that a thread holds as the rows of the tile, the input of the next layer.
__device__ __forceinline__ void keep(Chain& chain, const Held& held, u32 n_out, u32 lane) {
    const u32 q = lane % LANES;
    const float of_weights = numbers_at(chain.weight, UNSCALE_AT).x;
#pragma unroll
    for (u32 r = 0u; r < ROWS; r++) {
        const float4 x = q < n_out ? held[r] : four(0.0f);
        const float mine = fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
        // Nonnegative floats have the order of their bits.
        const u32 largest = __reduce_max_sync(0xffffffffu, bits_of(mine));
        // The power of two that scales `largest` to [2^14, 2^15).
        const u32 exponent = max(largest >> 23u, 15u);
        const float4 scaled = float_of_bits((268u - exponent) << 23u) * x;
        chain.unscale[r] = of_weights * float_of_bits((exponent - 14u) << 23u);
        const u32 at = (lane / LANES * ROWS + r) * STRIDE + q;
        if (q < WIDTH) {
            const float4 near = make_float4(
                digits(scaled.x), digits(scaled.y), digits(scaled.z), digits(scaled.w));
            high[at] = rounded(near);
            low[at] = rounded(scaled - near);
        }
    }
    __syncthreads();
}
