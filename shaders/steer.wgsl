// steer -- the centers of moving biases at a step
//
//   lower_k = upper_k = c_k(n)  on the path of bias k
//
// n is the number of steps done, or with WITHIN that when the present step ends.
//
// reads   ramp [n_biases] (the place of the first point; the points, 0 for a bias that does not move; 1
//         for a dihedral; 0), and behind it the points (see lib/ramp), step_count
// writes  variables (the numbers, see lib/spring)
// grid    one invocation per row of numbers and bias
// twin    src/bias.rs
#import params
#import spring
#import ramp

const WORKGROUP: u32 = 64u;
const WITHIN: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ramp: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> step_count: array<u32>;
@group(0) @binding(3) var<storage, read_write> variables: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn steer(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup_number(id, grid) * WORKGROUP + lane;
    let k = number % n_biases();
    let of_path = ramp[k];
    if number >= n_rows() * n_biases() || of_path.y == 0u {
        return;
    }
    var step = vec2<u32>(step_count[0], step_count[1]);
    if WITHIN {
        step = vec2<u32>(step.x + 1u, step.y + u32(step.x == 0xffffffffu));
    }
    let center = bitcast<u32>(ramp_at(of_path.x, of_path.y, step));
    let at = spring_place(k, number / n_biases());
    variables[at + 1u] = center;
    variables[at + 2u] = center;
}
