// steer -- the centers of moving biases at a step
//
//   lower_k = upper_k = c_k(n)  on the path of bias k
//
// n is the number of steps done, or with WITHIN that when the present step ends.
//
// reads   ramp [n_biases] (the place of the first point; the points, 0 for a bias that does not move; 1
//         for a dihedral; 0), and behind it the points (see lib/ramp), step_count
// writes  variables (the numbers, see lib/spring)
// grid    one thread per row of numbers and bias
// twin    steer.wgsl, src/bias.rs
#import params
#import spring
#import ramp

constexpr u32 WORKGROUP = 64u;
constexpr bool WITHIN = false;

extern "C" __global__ void __launch_bounds__(WORKGROUP) steer(
    const Params* __restrict__ params,
    const uint4* __restrict__ ramp,
    const u32* __restrict__ step_count,
    u32* __restrict__ variables) {
    const u32 number = workgroup_number() * WORKGROUP + threadIdx.x;
    const u32 k = number % n_biases(variables);
    const uint4 of_path = ramp[k];
    if (number >= n_rows(variables) * n_biases(variables) || of_path.y == 0u) {
        return;
    }
    uint2 step = make_uint2(step_count[0], step_count[1]);
    if (WITHIN) {
        step = make_uint2(step.x + 1u, step.y + (step.x == 0xffffffffu ? 1u : 0u));
    }
    const float center = ramp_at(ramp + of_path.x, of_path.y, step);
    const u32 at = spring_place(k, number / n_biases(variables), variables);
    variables[at + 1u] = bits_of(center);
    variables[at + 2u] = bits_of(center);
}
