// steer_work -- the work of moving biases on each replica in a step
//
//   W_k += k (q - m)^2 - k (q - c(n))^2          before the drift, or with AFTER
//   W_k += k (q - c(n + 1))^2 - k (q - m)^2      after it, with m = (c(n) + c(n + 1))/2
//
// n steps are done. `steer` has set c(n + 1). Replicas with an alarm keep their work. Work is a multiple
// of 1/UNIT kcal/mol, so that the host can hold and restore it.
//
// reads   ramp (see `steer`), step_count, variables (see lib/spring), biases [n_replicas, n_biases]
//         (value q, Å or rad, -), walker [n_replicas] (alarm)
// writes  work [n_replicas, n_biases] (high and low part, kcal/mol)
// grid    one invocation per replica and bias
// twin    src/bias.rs
#import params
#import walker
#import spring
#import ramp
#import separation

const WORKGROUP: u32 = 64u;
const UNIT: f32 = 4294967296.0;
const AFTER: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ramp: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> step_count: array<u32>;
@group(0) @binding(3) var<storage, read> variables: array<u32>;
@group(0) @binding(4) var<storage, read> biases: array<vec2<f32>>;
// Only read; atomics need read_write.
@group(0) @binding(5) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(6) var<storage, read_write> work: array<vec2<f32>>;

fn at(k: f32, center: f32) -> Spring {
    return Spring(k, center, center);
}

@compute @workgroup_size(WORKGROUP)
fn steer_work(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid) * WORKGROUP + lane;
    let r = number / n_biases();
    let k = number % n_biases();
    let of_path = ramp[k];
    if r >= params.n_replicas || of_path.y == 0u {
        return;
    }
    if atomicLoad(&walker[r].alarm) != NO_ALARM {
        return;
    }
    let q = biases[number].x;
    let next = spring_at(k, r);
    let center = ramp_at(of_path.x, of_path.y, vec2<u32>(step_count[0], step_count[1]));
    let middle = 0.5 * (center + next.lower);
    let a = at(next.k, select(center, middle, AFTER));
    let b = at(next.k, select(middle, next.lower, AFTER));
    var turns = vec2<f32>(0.0);
    if of_path.z == 1u {
        turns = vec2<f32>(turns_of(a, q), turns_of(b, q));
    }
    let x = (q - turns.x * (2.0 * PI)) - a.lower;
    let y = (q - turns.y * (2.0 * PI)) - b.lower;
    // y - x without the rounding of q.
    let rise = (a.lower - b.lower) + (turns.x - turns.y) * (2.0 * PI);
    let added = next.k * rise * (x + y);
    // A zero that the compiler does not know.
    let zero = bitcast<f32>(of_path.w);
    let old = work[number];
    let low = old.y + round(added * UNIT) * (1.0 / UNIT);
    let sum = exact_sum(vec3<f32>(old.x), vec3<f32>(low), zero);
    work[number] = vec2<f32>(sum.high.x, sum.low.x);
}
