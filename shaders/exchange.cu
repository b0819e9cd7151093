// exchange -- the tries of the walkers of a ladder to exchange their states
//
//   ln u < (beta_a - beta_b) (U_a - U_b)
//
// decides, for walkers in states a and b. If BIASED, the states have biases, and walkers p and q in
// states a and b have energies E_a and E_b with those of the states:
//
//   ln u < beta_a (E_a(x_p) - E_a(x_q)) + beta_b (E_b(x_q) - E_b(x_p))
//
// Both sides are computed in whole numbers: see exchange.wgsl. u is drawn if DRAWN, else given.
//
// reads   ladder [n_ladders] (first rung, states, number for random numbers, first word in tally),
//         rung, energy [n_replicas], or of each walker in each state [n_states, n_replicas] if
//         BIASED, kcal/mol: sum and rounding error, given [n_tries] (words of 2^64 u, the low one
//         first)
// writes  place [n_replicas] (label, ends), tally (for each ladder: number of exchanges, low and
//         high word, and the accepted and rejected tries of each pair of states), change
//         [n_replicas] (factor of the velocities, kT), trace [TRACE, n_replicas] (label)
// grid    one block per ladder; the first thread goes through the tries in order
// twin    exchange.wgsl, src/engine/exchange.rs
#import params
#import wide

constexpr u32 WORKGROUP = 64u;
// Two random walkers for each try instead of those in neighboring states.
constexpr bool ALL_PAIRS = false;
constexpr bool DRAWN = true;
constexpr bool BIASED = false;
constexpr u32 MOST_STATES = 256u;
constexpr u32 TRACE = 1024u;
// The stream of the random numbers, in the top byte of the counter.
constexpr u32 STREAM = 0x3000000u;

// Energies are multiples of 2^-30 kcal/mol and values of B are multiples of 2^-46 mol/kcal. Their
// product without its lowest word, and -log2 u, are multiples of 2^-44.
constexpr u32 LOG_BITS = 44u;
// The high word of -log2 0, which accepts any try.
constexpr u32 ALWAYS = 0xffffffffu;

struct Rung {
    // B
    u32 beta_low;
    u32 beta_high;
    // kcal/mol
    float kt;
    // The walker that starts here.
    u32 walker;
};

// x in multiples of 2^-30, rounded toward 0, plus 2^63. |x| is at most 2^32.
__device__ inline u64 fixed(float x) {
    const u32 bits = bits_of(x);
    const u32 exponent = (bits >> 23u) & 0xffu;
    // The value is mantissa 2^(exponent - 150).
    const u64 mantissa = (bits & 0x7fffffu) | 0x800000u;
    u64 size = u64(1) << 62u;
    if (exponent < 97u) {
        size = 0;
    } else if (exponent < 120u) {
        size = mantissa >> (120u - exponent);
    } else if (exponent < 159u) {
        size = mantissa << (exponent - 120u);
    }
    const u64 zero = u64(1) << 63u;
    return (bits >> 31u) == 1u ? zero - size : zero + size;
}

// The same of a sum and its rounding error.
__device__ inline u64 fixed_sum(float2 x) {
    return fixed(x.x) + fixed(x.y) - (u64(1) << 63u);
}

// -log2 of u 2^-64 in multiples of 2^-LOG_BITS. The square of a number in [1, 2) is 2 or
// more if the next bit of its logarithm is 1.
__device__ inline u64 minus_log2(u64 u) {
    if (u == 0) {
        return u64(ALWAYS) << 32u;
    }
    const u32 zeros = __clzll((long long)u);
    u64 mantissa = u << zeros;
    u64 log = 0;
    for (u32 k = 0u; k < LOG_BITS; k++) {
        const u64 square = __umul64hi(mantissa, mantissa);
        const u64 rest = mantissa * mantissa;
        const u64 bit = square >> 63u;
        mantissa = bit == 1u ? square : (square << 1u) | (rest >> 63u);
        log = 2u * log + bit;
    }
    return (u64(zeros + 1u) << LOG_BITS) - log;
}

// floor(word n / 2^32)
__device__ inline u32 scaled(u32 word, u32 n) { return __umulhi(word, n); }

// The lower state of the first pair of neighbors among n states.
__device__ inline u32 first_state(u32 n, u32 number) { return n > 2u ? number & 1u : 0u; }

__device__ inline u32 n_tries(u32 n, u32 number) {
    if (ALL_PAIRS) {
        return n > 1u ? n * n : 0u;
    }
    return (n - first_state(n, number)) / 2u;
}

// Whether a loss, the negative of the right side, allows a try with -log2 u = least.
__device__ inline bool allows(Long loss, u64 least) {
    return (least >> 32u) == ALWAYS
        || ((loss.high >> 32u) == 0u && ((loss.high << 32u) | (loss.low >> 32u)) < least);
}

// The same as `is_accepted` with the energies of walkers p and q in both states.
__device__ inline bool is_accepted_biased(
    u64 a, u64 b, ulonglong2 in_a, ulonglong2 in_b, u64 least) {
    const Long of_a = product(a, apart(in_a.x, in_a.y));
    const Long of_b = product(b, apart(in_b.x, in_b.y));
    Long gain = {0, 0};
    Long loss = {0, 0};
    if (in_a.y < in_a.x) {
        gain = of_a;
    } else {
        loss = of_a;
    }
    if (in_b.x < in_b.y) {
        gain = long_plus(gain, of_b);
    } else {
        loss = long_plus(loss, of_b);
    }
    return !long_below(gain, loss) || allows(long_minus(loss, gain), least);
}

// Whether walkers in states with B = a and b and with energies p and q exchange their states, for a
// try with -log2 u = least.
__device__ inline bool is_accepted(u64 a, u64 b, u64 p, u64 q, u64 least) {
    if ((a < b) == (p < q)) {
        return true;
    }
    return allows(product(apart(a, b), apart(p, q)), least);
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) exchange(
    const Params* __restrict__ params,
    const uint4* __restrict__ ladder,
    const Rung* __restrict__ rung,
    const float2* __restrict__ energy,
    const uint2* __restrict__ given,
    uint2* __restrict__ place,
    u32* __restrict__ tally,
    float2* __restrict__ change,
    u32* __restrict__ trace) {
    // B of each state.
    __shared__ u64 beta[MOST_STATES];
    // Energy, label, and whether it can exchange, of each walker.
    __shared__ u64 level[MOST_STATES];
    __shared__ u32 label[MOST_STATES];
    __shared__ u32 able[MOST_STATES];
    // The walker in each state.
    __shared__ u32 holder[MOST_STATES];
    // -log2 u and the pair of each try.
    __shared__ u64 limit[WORKGROUP];
    __shared__ uint2 pair[WORKGROUP];

    const u32 lane = threadIdx.x;
    const u32 l = workgroup_number();
    const uint4 own = ladder[min(l, params->n_ladders - 1u)];
    const u32 first = own.x;
    const u32 n = l < params->n_ladders ? own.y : 0u;
    const uint2 count = make_uint2(tally[own.w], tally[own.w + 1u]);
    const u32 tries = n_tries(n, count.x);
    // Given numbers of the ladders before.
    u32 before = 0u;
    if (!DRAWN) {
        for (u32 k = 0u; k < min(l, params->n_ladders - 1u); k++) {
            before += n_tries(ladder[k].y, count.x);
        }
    }
    for (u32 k = lane; k < n; k += WORKGROUP) {
        const Rung its = rung[first + k];
        const float2 its_energy = energy[its.walker];
        beta[k] = wide_of(make_uint2(its.beta_low, its.beta_high));
        level[k] = fixed_sum(its_energy);
        able[k] = u32(!is_broken(its_energy.x) && !is_broken(its_energy.y));
        label[k] = place[its.walker].x;
        holder[place[its.walker].x] = k;
    }
    __syncthreads();
    const u32 most = ALL_PAIRS ? n * n : n / 2u;
    for (u32 start = 0u; start < most; start += WORKGROUP) {
        const u32 t = start + lane;
        if (t < tries) {
            const uint4 counter = make_uint4(t, own.z, count.x, count.y | STREAM);
            const uint4 words = philox(counter, make_uint2(params->seed_low, params->seed_high));
            // (word + 1/2) 2^-32
            const uint2 u = DRAWN ? make_uint2(0x80000000u, words.x) : given[before + t];
            limit[lane] = minus_log2(wide_of(u));
            if (ALL_PAIRS) {
                const u32 p = scaled(words.y, n);
                pair[lane] = make_uint2(p, (p + 1u + scaled(words.z, n - 1u)) % n);
            } else {
                const u32 a = first_state(n, count.x) + 2u * t;
                pair[lane] = make_uint2(a, a + 1u);
            }
        }
        __syncthreads();
        if (lane == 0u) {
            for (u32 k = 0u; k < WORKGROUP && start + k < tries; k++) {
                const u32 p = ALL_PAIRS ? pair[k].x : holder[pair[k].x];
                const u32 q = ALL_PAIRS ? pair[k].y : holder[pair[k].y];
                const u32 a = label[p];
                const u32 b = label[q];
                const u32 low = min(a, b);
                const u32 high = max(a, b);
                // The energies of both walkers in a state.
                const auto in = [&](u32 state) {
                    const float2* of_state = energy + state * params->n_replicas;
                    return make_ulonglong2(
                        fixed_sum(of_state[rung[first + p].walker]),
                        fixed_sum(of_state[rung[first + q].walker]));
                };
                const bool is_able = able[p] != 0u && able[q] != 0u;
                const bool accepted = BIASED
                    ? is_able && is_accepted_biased(beta[a], beta[b], in(a), in(b), limit[k])
                    : is_able && is_accepted(beta[a], beta[b], level[p], level[q], limit[k]);
                if (accepted) {
                    label[p] = b;
                    label[q] = a;
                    holder[a] = q;
                    holder[b] = p;
                    tally[own.w + 2u + low * n + high] += 1u;
                } else {
                    tally[own.w + 2u + high * n + low] += 1u;
                }
            }
        }
        __syncthreads();
    }
    for (u32 k = lane; k < n; k += WORKGROUP) {
        const u32 r = rung[first + k].walker;
        const u32 old = place[r].x;
        const u32 new_label = label[k];
        const float kt = rung[first + new_label].kt;
        change[r] =
            make_float2(old == new_label ? 1.0f : sqrtf(kt / rung[first + old].kt), kt);
        const u32 ends = place[r].y;
        const u32 next = (ends & 1u) == 0u ? 0u : n - 1u;
        place[r] = make_uint2(new_label, ends + u32(n > 1u && new_label == next));
        trace[(count.x % TRACE) * params->n_replicas + r] = new_label;
    }
    if (lane == 0u && n > 0u) {
        tally[own.w] = count.x + 1u;
        tally[own.w + 1u] = count.y + u32(count.x == 0xffffffffu);
    }
}
