// fire -- one step of energy minimization of each replica (FIRE 2.0, `engine::Minimization`)
//
//   P = F.v over the beads of the replica, masses 1
//   P > 0: h and a change after PATIENCE steps; else x -= h/2 v, h shrinks, a = MIXING, v = 0
//   v += h F;  v = (1 - a) v + a |v| F/|F|;  |v| is cut to REACH/h;  x += h v
//
// F is the sum of all forces, with components within MOST_FORCE. A replica stops, and stays where it
// is, when its largest force is within the tolerance, no step is left, or a force is not finite.
//
// reads   replica [n_replicas] (first bead, beads, number, -), force [2, n_beads] kcal/mol/Å, or [3, n_beads]
//         with HAS_BIAS, walker [n_replicas] (origin)
// writes  position [n_beads] Å, velocity [n_beads] (xyz; w stays), descent [n_replicas]
// grid    one block per replica; partial sums joined in a tree of fixed shape
// twin    fire.wgsl, src/engine/minimize.rs
#import params
#import walker
#import grid
#import acting
#import descent

constexpr u32 WORKGROUP = 64u;
// The numbers of FIRE, `engine::minimize::Fire`.
constexpr float LEAST_STEP = 0.001f;
constexpr float MOST_STEP = 0.03f;
constexpr float GROWTH = 1.1f;
constexpr float SHRINKAGE = 0.5f;
constexpr u32 PATIENCE = 20u;
constexpr float MIXING = 0.25f;
constexpr float MIXING_DECAY = 0.99f;
constexpr float REACH = 0.1f;
constexpr float MOST_FORCE = 1e9f;

// A force, cut so that f32 holds the sum of squares.
__device__ inline float3 limited(float3 f) {
    const float largest = fmaxf(fmaxf(fabsf(f.x), fabsf(f.y)), fabsf(f.z));
    return largest > MOST_FORCE ? (MOST_FORCE / largest) * f : f;
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) fire(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const float4* __restrict__ force,
    Walker* __restrict__ walker,
    Position* __restrict__ position,
    float4* __restrict__ velocity,
    Descent* __restrict__ descent) {
    // F.v, |F|^2, |v|^2, and the largest |F|^2 of a bead.
    __shared__ float4 part[WORKGROUP];
    // The lowest bead whose force is not finite, or NO_BEAD.
    __shared__ u32 broken[WORKGROUP];
    const u32 r = workgroup_number();
    const u32 lane = threadIdx.x;
    const bool inside = r < params->n_replicas;
    const uint4 own = replica[min(r, params->n_replicas - 1u)];
    Descent now = descent[min(r, params->n_replicas - 1u)];
    const bool is_running = inside && now.status == RUNNING;
    float4 sums = four(0.0f);
    u32 bad = NO_BEAD;
    if (is_running) {
        for (u32 k = lane; k < own.y; k += WORKGROUP) {
            const u32 i = own.x + k;
            const float3 total = xyz(acting(params, force, i));
            if (any_broken(total)) {
                bad = min(bad, k);
            }
            const float3 f = limited(total);
            const float3 v = xyz(velocity[i]);
            const float square = dot(f, f);
            sums = make_float4(
                sums.x + dot(f, v), sums.y + square, sums.z + dot(v, v), fmaxf(sums.w, square));
        }
    }
    part[lane] = sums;
    broken[lane] = bad;
    __syncthreads();
    for (u32 stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if (lane < stride) {
            const float4 a = part[lane];
            const float4 b = part[lane + stride];
            part[lane] = make_float4(a.x + b.x, a.y + b.y, a.z + b.z, fmaxf(a.w, b.w));
            broken[lane] = min(broken[lane], broken[lane + stride]);
        }
        __syncthreads();
    }
    if (!is_running) {
        return;
    }
    const float power = part[0].x;
    const float force2 = part[0].y;
    const float speed2 = part[0].z;
    now.largest2 = part[0].w;
    if (broken[0] != NO_BEAD) {
        now.status = BROKEN;
        now.bead = broken[0];
    } else if (now.largest2 <= now.tolerance2) {
        now.status = CONVERGED;
    } else if (now.steps_left == 0u) {
        now.status = EXHAUSTED;
    }
    if (now.status == RUNNING) {
        const float back = 0.5f * now.step;
        const bool is_downhill = power > 0.0f;
        if (is_downhill) {
            now.good += 1u;
            if (now.good > PATIENCE) {
                now.step = fminf(GROWTH * now.step, MOST_STEP);
                now.mixing *= MIXING_DECAY;
            }
        } else {
            now.good = 0u;
            now.mixing = MIXING;
            if (speed2 > 0.0f) {
                now.step = fmaxf(SHRINKAGE * now.step, LEAST_STEP);
            }
        }
        now.steps_left -= 1u;
        const float h = now.step;
        const float kept = is_downhill ? 1.0f : 0.0f;
        const float next2 = kept * (speed2 + 2.0f * h * power) + h * h * force2;
        const float along = now.mixing * sqrtf(next2 / force2);
        for (u32 k = lane; k < own.y; k += WORKGROUP) {
            const u32 i = own.x + k;
            const float3 f = limited(xyz(acting(params, force, i)));
            const float4 old = velocity[i];
            const float3 v = xyz(old);
            float3 next = (1.0f - now.mixing) * (kept * v + h * f) + along * f;
            const float length = h * sqrtf(dot(next, next));
            if (length > REACH) {
                next = (REACH / length) * next;
            }
            const Position moved = moved_by(position[i], h * next - ((1.0f - kept) * back) * v);
            if (may_be_at(moved, walker[r].origin)) {
                position[i] = moved;
                velocity[i] = with_w(next, old.w);
            }
        }
    }
    if (lane == 0u) {
        descent[r] = now;
    }
}
