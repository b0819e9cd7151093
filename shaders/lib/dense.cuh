// Linear layers, one after the other, on a tile of rows in shared memory: y_o = sum_k W_ok x_k,
// summed in the order of k.
//
// Channels are in quads of four. The buffer of weights holds, for each layer, W input by input
// [inputs, quads of outputs], then the scale factors of the outputs if SCALED, then the bias.
// Weights are loaded in chunks of AHEAD quads of inputs: while a block works on one chunk in shared
// memory, it loads the next one into registers. All blocks read the same weights at the same time,
// so early loads hide the latency that all would wait for.
//
// A kernel declares WORKGROUP before it imports this file, ends its arguments with HALVES_ARGUMENT
// and begins with `Chain chain = CHAIN;`.
#import vector
#import weight

// Threads that share a row, and quads of the widest layer.
constexpr u32 LANES = 32u;
constexpr u32 WIDTH = 32u;
// Rows of a thread, which computes one quad of outputs of each row.
constexpr u32 ROWS = 4u;
constexpr u32 AHEAD = 4u;
constexpr u32 TILE = WORKGROUP / LANES * ROWS;
constexpr u32 CHUNK = 4u * AHEAD * WIDTH;
// CHUNK / WORKGROUP, rounded up.
constexpr u32 FETCHES = 4u;
static_assert(WORKGROUP % LANES == 0u && LANES >= WIDTH && FETCHES * WORKGROUP >= CHUNK);

// Kernels have no further argument with this file; with lib/dense_matrix they have one.
#define HALVES_ARGUMENT
#define CHAIN Chain{weight}

// The buffers of the layers.
struct Chain {
    const Weights* weight;
};

// The quads that a thread holds: one of each of its rows.
struct Held {
    float4 row[ROWS];
    __device__ float4& operator[](u32 r) { return row[r]; }
    __device__ const float4& operator[](u32 r) const { return row[r]; }
};

__shared__ float4 tile[TILE * WIDTH];
__shared__ float4 chunk[CHUNK];

// W x for a layer of n_in to n_out quads whose weights begin at `at`.
__device__ __forceinline__ Held product(
    const Chain& chain, u32 at, u32 n_in, u32 n_out, u32 lane) {
    const u32 first = lane / LANES * ROWS * WIDTH;
    const u32 q = min(lane % LANES, n_out - 1u);
    const u32 size = 4u * AHEAD * n_out;
    const u32 last = at + 4u * n_in * n_out - 1u;
    Held sums = {};
    Weights next[FETCHES];
#pragma unroll
    for (u32 f = 0u; f < FETCHES; f++) {
        next[f] = __ldg(&chain.weight[min(at + f * WORKGROUP + lane, last)]);
    }
#pragma unroll 1
    for (u32 begin = 0u; begin < n_in; begin += AHEAD) {
        __syncthreads();
#pragma unroll
        for (u32 f = 0u; f < FETCHES; f++) {
            if (f * WORKGROUP + lane < size) {
                chunk[f * WORKGROUP + lane] = weights_in(next[f]);
            }
        }
        __syncthreads();
        const u32 after = at + 4u * (begin + AHEAD) * n_out + lane;
#pragma unroll
        for (u32 f = 0u; f < FETCHES; f++) {
            next[f] = __ldg(&chain.weight[min(after + f * WORKGROUP, last)]);
        }
        const u32 end = min(AHEAD, n_in - begin);
        for (u32 k = 0u; k < end; k++) {
            const float4 w0 = chunk[4u * k * n_out + q];
            const float4 w1 = chunk[(4u * k + 1u) * n_out + q];
            const float4 w2 = chunk[(4u * k + 2u) * n_out + q];
            const float4 w3 = chunk[(4u * k + 3u) * n_out + q];
#pragma unroll
            for (u32 r = 0u; r < ROWS; r++) {
                const float4 x = tile[first + r * WIDTH + begin + k];
                const float4 sum = fma(w1, four(x.y), fma(w0, four(x.x), sums[r]));
                sums[r] = fma(w3, four(x.w), fma(w2, four(x.z), sum));
            }
        }
    }
    if constexpr (SCALED) {
        const float4 scale = numbers_at(chain.weight, at + 4u * n_in * n_out + NUMBERS * q);
#pragma unroll
        for (u32 r = 0u; r < ROWS; r++) {
            sums[r] *= scale;
        }
    }
    return sums;
}

// Quad q of the bias of a layer.
__device__ inline float4 bias_of(const Chain& chain, u32 at, u32 n_in, u32 n_out, u32 q) {
    const u32 scales = SCALED ? n_out : 0u;
    const u32 before = at + 4u * n_in * n_out;
    return numbers_at(chain.weight, before + NUMBERS * (scales + min(q, n_out - 1u)));
}

// Stores the quads that a thread holds as the rows of the tile, the input of the next layer.
__device__ __forceinline__ void keep(Chain&, const Held& held, u32 n_out, u32 lane) {
    __syncthreads();
    const u32 q = lane % LANES;
    if (q < n_out) {
#pragma unroll
        for (u32 r = 0u; r < ROWS; r++) {
            tile[(lane / LANES * ROWS + r) * WIDTH + q] = held[r];
        }
    }
    __syncthreads();
}
