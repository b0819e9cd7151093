// exchange -- the tries of the walkers of a ladder to exchange their states
//
//   ln u < (beta_a - beta_b) (U_a - U_b)
//
// decides, for walkers in states a and b. If BIASED, the states have biases, and walkers p and q in
// states a and b have energies E_a and E_b with those of the states:
//
//   ln u < beta_a (E_a(x_p) - E_a(x_q)) + beta_b (E_b(x_q) - E_b(x_p))
//
// Both sides are computed in whole numbers, the left one as -log2 u and the right one with
// B = beta / ln 2. So the decision is that of real numbers within 1e-9, and all devices agree
// about the same energies. Energies of biases are f32 here, and f64 on the host. u is drawn if DRAWN,
// else given.
//
// reads   ladder [n_ladders] (first rung, states, number for random numbers, first word in tally),
//         rung, energy [n_replicas], or of each walker in each state [n_states, n_replicas] if
//         BIASED, kcal/mol: sum and rounding error, given [n_tries] (words of 2^64 u, the low one
//         first)
// writes  place [n_replicas] (label, ends), tally (for each ladder: number of exchanges, low and
//         high word, and the accepted and rejected tries of each pair of states), change
//         [n_replicas] (factor of the velocities, kT), trace [TRACE, n_replicas] (label)
// grid    one workgroup per ladder; the first invocation goes through the tries in order
// twin    src/engine/exchange.rs
#import params
#import wide

const WORKGROUP: u32 = 64u;
// Two random walkers for each try instead of those in neighboring states.
const ALL_PAIRS: bool = false;
const DRAWN: bool = true;
const BIASED: bool = false;
const MOST_STATES: u32 = 256u;
const TRACE: u32 = 1024u;
// The stream of the random numbers, in the top byte of the counter.
const STREAM: u32 = 0x3000000u;

// Energies are multiples of 2^-30 kcal/mol and values of B are multiples of 2^-46 mol/kcal. Their
// product without its lowest word, and -log2 u, are multiples of 2^-44.
const LOG_BITS: u32 = 44u;
// The high word of -log2 0, which accepts any try.
const ALWAYS: u32 = 0xffffffffu;

struct Rung {
    // B
    beta_low: u32,
    beta_high: u32,
    // kcal/mol
    kt: f32,
    // The walker that starts here.
    walker: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ladder: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> rung: array<Rung>;
@group(0) @binding(3) var<storage, read> energy: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> given: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> place: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> tally: array<u32>;
@group(0) @binding(7) var<storage, read_write> change: array<vec2<f32>>;
@group(0) @binding(8) var<storage, read_write> trace: array<u32>;

// B of each state.
var<workgroup> beta: array<vec2<u32>, MOST_STATES>;
// Energy, label, and whether it can exchange, of each walker.
var<workgroup> level: array<vec2<u32>, MOST_STATES>;
var<workgroup> label: array<u32, MOST_STATES>;
var<workgroup> able: array<u32, MOST_STATES>;
// The walker in each state.
var<workgroup> holder: array<u32, MOST_STATES>;
// -log2 u and the pair of each try.
var<workgroup> limit: array<vec2<u32>, WORKGROUP>;
var<workgroup> pair: array<vec2<u32>, WORKGROUP>;

// x in multiples of 2^-30, rounded toward 0, plus 2^63. |x| is at most 2^32.
fn fixed(x: f32) -> vec2<u32> {
    let bits = bitcast<u32>(x);
    let exponent = (bits >> 23u) & 0xffu;
    // The value is mantissa 2^(exponent - 150).
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    var size = vec2<u32>(0u, 0x40000000u);
    if exponent < 97u {
        size = vec2<u32>(0u, 0u);
    } else if exponent < 120u {
        size = vec2<u32>(mantissa >> (120u - exponent), 0u);
    } else if exponent < 159u {
        size = shift_left(vec2<u32>(mantissa, 0u), exponent - 120u);
    }
    let zero = vec2<u32>(0u, 0x80000000u);
    if (bits >> 31u) == 1u {
        return minus(zero, size);
    }
    return plus(zero, size);
}

// The same of a sum and its rounding error.
fn fixed_sum(x: vec2<f32>) -> vec2<u32> {
    return minus(plus(fixed(x.x), fixed(x.y)), vec2<u32>(0u, 0x80000000u));
}

// -log2 of u 2^-64 in multiples of 2^-LOG_BITS. The square of a number in [1, 2) is 2 or
// more if the next bit of its logarithm is 1.
fn minus_log2(u: vec2<u32>) -> vec2<u32> {
    if u.x == 0u && u.y == 0u {
        return vec2<u32>(0u, ALWAYS);
    }
    var zeros = countLeadingZeros(u.y);
    if u.y == 0u {
        zeros = 32u + countLeadingZeros(u.x);
    }
    var mantissa = shift_left(u, zeros);
    var log = vec2<u32>(0u, 0u);
    for (var k = 0u; k < LOG_BITS; k++) {
        let square = product(mantissa, mantissa);
        let bit = square.w >> 31u;
        if bit == 1u {
            mantissa = square.zw;
        } else {
            mantissa = vec2<u32>((square.z << 1u) | (square.y >> 31u),
                                 (square.w << 1u) | (square.z >> 31u));
        }
        log = plus(plus(log, log), vec2<u32>(bit, 0u));
    }
    return minus(shift_left(vec2<u32>(zeros + 1u, 0u), LOG_BITS), log);
}

// floor(word n / 2^32)
fn scaled(word: u32, n: u32) -> u32 {
    return multiply_wide(word, n).x;
}

// The lower state of the first pair of neighbors among n states.
fn first_state(n: u32, number: u32) -> u32 {
    return select(0u, number & 1u, n > 2u);
}

fn n_tries(n: u32, number: u32) -> u32 {
    if ALL_PAIRS {
        return select(0u, n * n, n > 1u);
    }
    return (n - first_state(n, number)) / 2u;
}

// The energy of a walker of the ladder with this first rung, in a state.
fn level_in(state: u32, first: u32, walker: u32) -> vec2<u32> {
    return fixed_sum(energy[state * params.n_replicas + rung[first + walker].walker]);
}

// Whether a loss, the negative of the right side, allows a try with -log2 u = least.
fn allows(loss: vec4<u32>, least: vec2<u32>) -> bool {
    return least.y == ALWAYS || (loss.w == 0u && below(loss.yz, least));
}

// Whether walkers p and q exchange their states, for a try with -log2 u = least.
fn is_accepted(first: u32, p: u32, q: u32, least: vec2<u32>) -> bool {
    if able[p] == 0u || able[q] == 0u {
        return false;
    }
    let a = beta[label[p]];
    let b = beta[label[q]];
    if BIASED {
        let p_in_a = level_in(label[p], first, p);
        let q_in_a = level_in(label[p], first, q);
        let p_in_b = level_in(label[q], first, p);
        let q_in_b = level_in(label[q], first, q);
        let of_a = product(a, apart(p_in_a, q_in_a));
        let of_b = product(b, apart(p_in_b, q_in_b));
        var gain = vec4<u32>(0u);
        var loss = vec4<u32>(0u);
        if below(q_in_a, p_in_a) {
            gain = of_a;
        } else {
            loss = of_a;
        }
        if below(p_in_b, q_in_b) {
            gain = long_plus(gain, of_b);
        } else {
            loss = long_plus(loss, of_b);
        }
        return !long_below(gain, loss) || allows(long_minus(loss, gain), least);
    }
    if below(a, b) == below(level[p], level[q]) {
        return true;
    }
    return allows(product(apart(a, b), apart(level[p], level[q])), least);
}

@compute @workgroup_size(WORKGROUP)
fn exchange(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let l = workgroup_number(id, grid);
    let own = ladder[min(l, params.n_ladders - 1u)];
    let first = own.x;
    let n = select(0u, own.y, l < params.n_ladders);
    let count = vec2<u32>(tally[own.w], tally[own.w + 1u]);
    let tries = n_tries(n, count.x);
    // Given numbers of the ladders before.
    var before = 0u;
    if !DRAWN {
        for (var k = 0u; k < min(l, params.n_ladders - 1u); k++) {
            before += n_tries(ladder[k].y, count.x);
        }
    }
    for (var k = lane; k < n; k += WORKGROUP) {
        let its = rung[first + k];
        let its_energy = energy[its.walker];
        beta[k] = vec2<u32>(its.beta_low, its.beta_high);
        level[k] = fixed_sum(its_energy);
        able[k] = u32(!is_broken(its_energy.x) && !is_broken(its_energy.y));
        label[k] = place[its.walker].x;
        holder[place[its.walker].x] = k;
    }
    workgroupBarrier();
    let most = select(n / 2u, n * n, ALL_PAIRS);
    for (var start = 0u; start < most; start += WORKGROUP) {
        let t = start + lane;
        if t < tries {
            let counter = vec4<u32>(t, own.z, count.x, count.y | STREAM);
            let words = philox(counter, vec2<u32>(params.seed_low, params.seed_high));
            // (word + 1/2) 2^-32
            var u = vec2<u32>(0x80000000u, words.x);
            if !DRAWN {
                u = given[before + t];
            }
            limit[lane] = minus_log2(u);
            if ALL_PAIRS {
                let p = scaled(words.y, n);
                pair[lane] = vec2<u32>(p, (p + 1u + scaled(words.z, n - 1u)) % n);
            } else {
                let a = first_state(n, count.x) + 2u * t;
                pair[lane] = vec2<u32>(a, a + 1u);
            }
        }
        workgroupBarrier();
        if lane == 0u {
            for (var k = 0u; k < WORKGROUP && start + k < tries; k++) {
                var p = pair[k].x;
                var q = pair[k].y;
                if !ALL_PAIRS {
                    p = holder[p];
                    q = holder[q];
                }
                let a = label[p];
                let b = label[q];
                let low = min(a, b);
                let high = max(a, b);
                if is_accepted(first, p, q, limit[k]) {
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
        workgroupBarrier();
    }
    for (var k = lane; k < n; k += WORKGROUP) {
        let r = rung[first + k].walker;
        let old = place[r].x;
        let new_label = label[k];
        let kt = rung[first + new_label].kt;
        let factor = select(sqrt(kt / rung[first + old].kt), 1.0, old == new_label);
        change[r] = vec2<f32>(factor, kt);
        let ends = place[r].y;
        let next = select(n - 1u, 0u, (ends & 1u) == 0u);
        place[r] = vec2<u32>(new_label, ends + u32(n > 1u && new_label == next));
        trace[(count.x % TRACE) * params.n_replicas + r] = new_label;
    }
    if lane == 0u && n > 0u {
        tally[own.w] = count.x + 1u;
        tally[own.w + 1u] = count.y + u32(count.x == 0xffffffffu);
    }
}
