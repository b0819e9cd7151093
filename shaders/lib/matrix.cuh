// Products on tensor cores, which a warp computes together: matrices of 16 x 16, f16 factors, f32
// sums. Control flow around all of these functions must be uniform.
//
// Weights are stored as one matrix after the other, each column by column. Offsets and strides
// count quads of numbers; for rows of f16 they are even, which aligns rows to 16 bytes.
#import vector

// The part of a matrix of weights that a lane holds: low[c] has inputs 2 t and 2 t + 1, high[c]
// inputs 2 t + 8 and 2 t + 9, of output g + 8 c, where g = lane / 4 and t = lane % 4.
struct Weight {
    u32 low[2];
    u32 high[2];
};

// Rows g, g + 8, g, g + 8: inputs as in Weight::low for the first two, as in Weight::high for the
// others.
struct Rows {
    u32 two[4];
};

// Columns 8 c + 2 t, 8 c + 2 t + 1 of row 8 r + g.
struct Sum {
    float2 at[2][2];  // [c][r]
};

// The matrix of weights that begins at `at`.
__device__ inline Weight weight_at(const uint2* __restrict__ halves, u32 at, u32 lane) {
    // A column is four quads.
    const u32* column = reinterpret_cast<const u32*>(halves + at) + lane % 32u / 4u * 8u;
    const u32 t = lane % 4u;
    return {{column[t], column[64u + t]}, {column[4u + t], column[68u + t]}};
}

// The 16 rows in shared memory that begin at `rows`, `stride` quads apart.
__device__ inline Rows rows_at(const uint2* rows, u32 stride, u32 lane) {
    // Each lane gives the address of 8 inputs of a row: lanes 0 to 15 inputs 0 to 7 of rows 0 to
    // 15, lanes 16 to 31 inputs 8 to 15.
    const u32 at = static_cast<u32>(
        __cvta_generic_to_shared(rows + lane % 16u * stride + lane % 32u / 16u * 2u));
    Rows x;
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(x.two[0]), "=r"(x.two[1]), "=r"(x.two[2]), "=r"(x.two[3])
        : "r"(at)
        : "memory");
    return x;
}

// sum + x w
__device__ inline Sum multiply_add(const Rows& x, const Weight& w, Sum sum) {
#pragma unroll
    for (u32 c = 0u; c < 2u; c++) {
        float2(&s)[2] = sum.at[c];
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
            "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(s[0].x), "+f"(s[0].y), "+f"(s[1].x), "+f"(s[1].y)
            : "r"(x.two[0]), "r"(x.two[1]), "r"(x.two[2]), "r"(x.two[3]),
              "r"(w.low[c]), "r"(w.high[c]));
    }
    return sum;
}

__device__ inline Sum plus(Sum a, const Sum& b) {
#pragma unroll
    for (u32 c = 0u; c < 2u; c++) {
#pragma unroll
        for (u32 r = 0u; r < 2u; r++) {
            a.at[c][r].x += b.at[c][r].x;
            a.at[c][r].y += b.at[c][r].y;
        }
    }
    return a;
}

// Stores a sum in rows that are `stride` quads apart.
__device__ inline void put(const Sum& sum, float4* sums, u32 stride, u32 lane) {
#pragma unroll
    for (u32 c = 0u; c < 2u; c++) {
#pragma unroll
        for (u32 r = 0u; r < 2u; r++) {
            float4* row = sums + (8u * r + lane % 32u / 4u) * stride + 2u * c;
            reinterpret_cast<float2*>(row)[lane % 4u] = sum.at[c][r];
        }
    }
}

// Stores the two numbers of a lane at [c][r] of a matrix, as f16.
__device__ inline void put_halves(
    float2 two, u32 c, u32 r, uint2* rows, u32 stride, u32 lane) {
    uint2* row = rows + (8u * r + lane % 32u / 4u) * stride + 2u * c;
    reinterpret_cast<u32*>(row)[lane % 4u] = pack_halves(two.x, two.y);
}

// x cut to the digits that an f16 can hold.
__device__ inline float higher_digits(float x) { return float_of_bits(bits_of(x) & 0xffffe000u); }

// Stores four numbers as sums of two f16: `high` is the number cut to the digits of an f16, `low`
// the rest.
__device__ inline void keep(float4 x, uint2* high, uint2* low) {
    const float4 near = make_float4(
        higher_digits(x.x), higher_digits(x.y), higher_digits(x.z), higher_digits(x.w));
    const float4 rest = x - near;
    *high = make_uint2(pack_halves(near.x, near.y), pack_halves(near.z, near.w));
    *low = make_uint2(pack_halves(rest.x, rest.y), pack_halves(rest.z, rest.w));
}
