// cfconv_backward_matrix -- cfconv_backward with the filter networks on tensor cores
//
//   grad_y_i = sum_j W(d_ij) o grad_m_j
//   F_i     -= sum_j rhat_ij sum_f W'_f(d_ij) (y_jf grad_m_if + y_if grad_m_jf)
//
// The method is that of cfconv_forward_matrix, but half of the warps compute the values and the
// other half the slopes of the same edges. Two warps with the same columns, one of each half, share
// the work between the layers. Slopes of the basis are multiplied by a power of two that brings
// them into the range of f16.
//
// reads   row [n_beads], col, position [n_beads] Å, y and grad_m [n_beads, quads of filters],
//         halves and numbers as in cfconv_forward_matrix
// writes  grad_y [n_beads, quads of filters]   overwritten;
//         force [2, n_beads]   slow range: added to; order of the sums as in cfconv_forward_matrix,
//         then over channels
// grid    one block per ROWS beads; a warp gathers an edge, a thread a quad of channels
// twin    cfconv_backward_matrix.wgsl, src/reference/cfconv.rs
#import params
#import near
#import separation
#import matrix

constexpr u32 WORKGROUP = 512u;
constexpr u32 SUBGROUPS = WORKGROUP / 32u;
// Rows of a block, processed one after the other.
constexpr u32 ROWS = 4u;
// Edges of a tile: one matrix of values and one of slopes.
constexpr u32 TILE = 16u;
constexpr u32 PER_LANE = 1u;
// Quads of four channels, as in memory.
constexpr u32 QUADS = 32u;
// Channels and radial functions, in whole matrices of 16.
constexpr u32 FILTER_MATRICES = 8u;
constexpr u32 RBF_MATRICES = 4u;
// Threads that share the functions of an edge, four functions each.
constexpr u32 BASIS_LANES = 16u;
static_assert(PER_LANE * SUBGROUPS == TILE && TILE == 16u && SUBGROUPS >= 2u * FILTER_MATRICES);
static_assert(QUADS <= 32u && BASIS_LANES <= 32u);
static_assert(4u * FILTER_MATRICES >= QUADS && BASIS_LANES >= 4u * RBF_MATRICES);

// Quads from one row to the next. The padding puts rows into different banks of shared memory.
constexpr u32 BASIS_STRIDE = 4u * RBF_MATRICES + 2u;
constexpr u32 HIDDEN_STRIDE = 4u * FILTER_MATRICES + 2u;
constexpr u32 SUM_STRIDE = 4u * FILTER_MATRICES + 2u;
// Offsets of the slopes behind the values.
constexpr u32 BASIS_SLOPES = TILE * BASIS_STRIDE;
constexpr u32 HIDDEN_SLOPES = TILE * HIDDEN_STRIDE;
constexpr u32 SUM_SLOPES = TILE * SUM_STRIDE;
// Offset of the low parts of the basis.
constexpr u32 LOW = 2u * TILE * BASIS_STRIDE;
// Offset of filter1 in `halves`; offsets of the bias and the functions in `numbers`.
constexpr u32 FILTER1 = 64u * RBF_MATRICES * FILTER_MATRICES;
constexpr u32 BIAS = 1u;
constexpr u32 FUNCTIONS = BIAS + 4u * FILTER_MATRICES;

// List entries checked against the cutoff at a time; slots for neighbors that wait for a full tile.
constexpr u32 SEGMENT = 256u;
constexpr u32 WORDS = 8u;
constexpr u32 SLOTS = SEGMENT + TILE;
static_assert(SEGMENT == 32u * WORDS && SEGMENT <= WORKGROUP);

constexpr u32 HALVES = 2u * (LOW > HIDDEN_SLOPES ? LOW : HIDDEN_SLOPES);
constexpr u32 SUMS = 2u * (SUM_SLOPES > WORKGROUP ? SUM_SLOPES : WORKGROUP);

// The column of matrices of a warp. Surplus warps repeat the work of the last column.
__device__ inline u32 column_of(u32 lane) {
    return min(lane / 32u % (SUBGROUPS / 2u), FILTER_MATRICES - 1u);
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) cfconv_backward_matrix(
    const Params* __restrict__ params,
    const uint2* __restrict__ row,
    const u32* __restrict__ col,
    const Position* __restrict__ position,
    const float4* __restrict__ y,
    const float4* __restrict__ grad_m,
    const uint2* __restrict__ halves,
    const float4* __restrict__ numbers,
    float4* __restrict__ grad_y,
    float4* __restrict__ force) {
    // A bit for each entry of a segment that is within the cutoff.
    __shared__ u32 near[WORDS];
    // Neighbor r is in slot r % SLOTS: C, C' of the basis, t, t'; C, C' of the convolution; rhat
    // and the bits of the sender's index.
    __shared__ float4 bases[SLOTS];
    __shared__ float2 factors[SLOTS];
    __shared__ float4 edges[SLOTS];
    // First the basis [value or slope, edge, function] and its low parts, then in the same place
    // the hidden layer [value or slope, edge, channel].
    __shared__ __align__(16) uint2 rows[HALVES];
    // First the sums of the first layer that warps exchange, then the sums of the second layer
    // [value or slope, edge, channel], at the end the sums of all threads.
    __shared__ float4 sums[SUMS];

    const u32 lane = threadIdx.x;
    const u32 warp = lane / 32u;
    const u32 q = lane % 32u;
    // The warps with half = 0 compute values, those with half = 1 slopes.
    const u32 column = column_of(lane);
    const u32 half = 2u * lane / WORKGROUP;
    // The columns of this warp of both layers, one matrix per 16 inputs.
    Weight into[RBF_MATRICES];
    Weight out[FILTER_MATRICES];
#pragma unroll
    for (u32 k = 0u; k < RBF_MATRICES; k++) {
        into[k] = weight_at(halves, 64u * (k * FILTER_MATRICES + column), lane);
    }
#pragma unroll
    for (u32 k = 0u; k < FILTER_MATRICES; k++) {
        out[k] = weight_at(halves, FILTER1 + 64u * (k * FILTER_MATRICES + column), lane);
    }
    // x, y: 1 / scale of the first and second layer; z: 1 / scale of the second layer's slopes;
    // w: the power of two that multiplies the slopes of the basis.
    const float4 unscale = numbers[0];
    // Bias of the columns that this thread activates: of 16 columns, half 0 takes the first 8 and
    // half 1 the last 8.
    const float2 bias =
        reinterpret_cast<const float2*>(numbers + BIAS + 4u * column + 2u * half)[lane % 4u];
    const u32 function = lane % BASIS_LANES;
    const u32 functions = FUNCTIONS + 2u * min(function, 4u * RBF_MATRICES - 1u);
    const float4 center = numbers[functions];
    const float4 sharpness = numbers[functions + 1u];

    for (u32 r = 0u; r < ROWS; r++) {
        const u32 i = workgroup_number() * ROWS + r;
        uint2 here = make_uint2(0u, 0u);
        float4 mine_y = four(0.0f);
        float4 mine_m = four(0.0f);
        if (i < params->n_beads) {
            here = row[i];
            if (q < QUADS) {
                mine_y = y[i * QUADS + q];
                mine_m = grad_m[i * QUADS + q];
            }
        }
        float4 gradient = four(0.0f);
        float3 push = three(0.0f);
        u32 found = 0u;
        u32 done = 0u;
        for (u32 first = here.x; first < here.y; first += SEGMENT) {
            u32 j = 0u;
            float3 between = three(0.0f);
            float d = RADIUS;
            if (lane < SEGMENT && first + lane < here.y) {
                j = col[first + lane];
                between = separation(position[i], position[j]);
                d = length_of(between);
            }
            const u32 bits = __ballot_sync(~0u, d < RADIUS);
            if (q == 0u && warp < WORDS) {
                near[warp] = bits;
            }
            __syncthreads();
            u32 at = found + __popc(bits & ((1u << q) - 1u));
#pragma unroll
            for (u32 w = 0u; w < WORDS; w++) {
                const u32 count = __popc(near[w]);
                found += count;
                if (w < warp) {
                    at += count;
                }
            }
            if (d < RADIUS) {
                const EdgeBasis of_basis = edge_basis(d);
                bases[at % SLOTS] = make_float4(
                    of_basis.envelope.x, of_basis.envelope.y,
                    of_basis.coordinate.x, of_basis.coordinate.y);
                factors[at % SLOTS] = conv_envelope(d);
                edges[at % SLOTS] = with_w(unit_of(between, d), float_of_bits(j));
            }
            __syncthreads();
            const bool last = first + SEGMENT >= here.y;
            for (; done + TILE <= found || (last && done < found); done += TILE) {
                for (u32 t = lane / BASIS_LANES; t < TILE; t += WORKGROUP / BASIS_LANES) {
                    float4 value = four(0.0f);
                    float4 slope = four(0.0f);
                    if (done + t < found) {
                        const float4 basis = bases[(done + t) % SLOTS];
                        value = radial_near(basis.x, basis.z, center, sharpness);
                        slope = radial_slope_near(
                            make_float2(basis.x, basis.y), make_float2(basis.z, basis.w),
                            center, sharpness);
                    }
                    if (function < 4u * RBF_MATRICES) {
                        uint2* at = rows + t * BASIS_STRIDE + function;
                        keep(value, at, at + LOW);
                        keep(unscale.w * slope, at + BASIS_SLOPES, at + BASIS_SLOPES + LOW);
                    }
                }
                __syncthreads();
                // filter0 B, without its bias, and s' = filter0 B'
                Sum sum = {};
                Sum rest = {};
#pragma unroll
                for (u32 k = 0u; k < RBF_MATRICES; k++) {
                    const uint2* at = rows + half * BASIS_SLOPES + 4u * k;
                    sum = multiply_add(rows_at(at, BASIS_STRIDE, lane), into[k], sum);
                    rest = multiply_add(rows_at(at + LOW, BASIS_STRIDE, lane), into[k], rest);
                }
                sum = plus(sum, rest);
                // Warps with values keep columns 0 to 7 and give away columns 8 to 15; warps with
                // slopes do the reverse.
                const float2 top = half == 0u ? sum.at[1][0] : sum.at[0][0];
                const float2 bottom = half == 0u ? sum.at[1][1] : sum.at[0][1];
                sums[lane] = make_float4(top.x, top.y, bottom.x, bottom.y);
                // Loaded early, to hide the latency of memory.
                float4 their_y[PER_LANE];
                float4 their_m[PER_LANE];
#pragma unroll
                for (u32 k = 0u; k < PER_LANE; k++) {
                    const u32 t = warp + k * SUBGROUPS;
                    their_y[k] = four(0.0f);
                    their_m[k] = four(0.0f);
                    if (done + t < found && q < QUADS) {
                        const u32 j = bits_of(edges[(done + t) % SLOTS].w);
                        their_y[k] = y[j * QUADS + q];
                        their_m[k] = grad_m[j * QUADS + q];
                    }
                }
                __syncthreads();
                // act(s) and act'(s) s'
                const float4 taken = sums[(lane + WORKGROUP / 2u) % WORKGROUP];
                const float2 theirs[2] = {
                    make_float2(taken.x, taken.y), make_float2(taken.z, taken.w)};
#pragma unroll
                for (u32 g = 0u; g < 2u; g++) {
                    const float2 value = half == 0u ? sum.at[0][g] : theirs[g];
                    const float2 slope = half == 0u ? theirs[g] : sum.at[1][g];
                    const float2 s = make_float2(
                        fmaf(value.x, unscale.x, bias.x), fmaf(value.y, unscale.x, bias.y));
                    put_halves(
                        make_float2(act_near(s.x), act_near(s.y)), half, g, rows + 4u * column,
                        HIDDEN_STRIDE, lane);
                    put_halves(
                        make_float2(
                            act_slope_near(s.x) * (unscale.x * slope.x),
                            act_slope_near(s.y) * (unscale.x * slope.y)),
                        half, g, rows + HIDDEN_SLOPES + 4u * column, HIDDEN_STRIDE, lane);
                }
                __syncthreads();
                // G = filter1 act(s) and G' = filter1 (act'(s) s')
                sum = {};
#pragma unroll
                for (u32 k = 0u; k < FILTER_MATRICES; k++) {
                    const uint2* at = rows + half * HIDDEN_SLOPES + 4u * k;
                    sum = multiply_add(rows_at(at, HIDDEN_STRIDE, lane), out[k], sum);
                }
                put(sum, sums + half * SUM_SLOPES + 4u * column, SUM_STRIDE, lane);
                __syncthreads();
#pragma unroll
                for (u32 k = 0u; k < PER_LANE; k++) {
                    const u32 t = warp + k * SUBGROUPS;
                    if (done + t < found) {
                        const float2 envelope = factors[(done + t) % SLOTS];
                        const float3 unit = xyz(edges[(done + t) % SLOTS]);
                        const u32 at = t * SUM_STRIDE + min(q, QUADS - 1u);
                        const float4 g = unscale.y * sums[at];
                        const float4 dg = unscale.z * sums[SUM_SLOPES + at];
                        gradient = fma(envelope.x * g, their_m[k], gradient);
                        const float4 dw = envelope.y * g + envelope.x * dg;
                        const float pull = dot(dw, their_y[k] * mine_m + mine_y * their_m[k]);
                        push = fma(three(-pull), unit, push);
                    }
                }
            }
        }
        __syncthreads();
        sums[lane] = gradient;
        sums[WORKGROUP + lane] = with_w(push, 0.0f);
        __syncthreads();
        float4 total = four(0.0f);
        if (lane < 64u) {
            // The first warp sums the gradient, the second the force.
            for (u32 s = 0u; s < SUBGROUPS; s++) {
                total += sums[warp * WORKGROUP + 32u * s + q];
            }
        }
        if (lane < QUADS && i < params->n_beads) {
            grad_y[i * QUADS + lane] = total;
        }
        // From here on only the second warp works. It overwrites sums that no other warp reads any
        // more.
        if (warp == 1u) {
            sums[WORKGROUP + q] = total;
            __syncwarp();
            if (q < 4u) {
                total = four(0.0f);
                for (u32 k = 0u; k < 32u; k += 4u) {
                    total += sums[WORKGROUP + q + k];
                }
            }
            __syncwarp();
            if (q < 4u) {
                sums[WORKGROUP + q] = total;
            }
            __syncwarp();
            if (q == 0u && i < params->n_beads) {
                const float4* four_sums = sums + WORKGROUP;
                force[slow(params, i)] +=
                    (four_sums[0] + four_sums[1]) + (four_sums[2] + four_sums[3]);
            }
        }
    }
}
