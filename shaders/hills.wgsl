// hills -- adds the hills of all walkers to the grid potential
//
//   V(q) += sum_r h_r exp(-1/2 sum_k ((q_k - q_rk) / sigma_k)^2)
//
// and the derivatives of the hills. The sum over the walkers has their order. It is rounded to a
// multiple of 2^-32 kcal/mol and then added without a further error that is relative to V.
//
// reads   potential [1] (see lib/grid_potential), hill [n_replicas] (place in bins, height in
//         kcal/mol, 0)
// writes  hill_node [nodes] kcal/mol
// grid    one invocation per node
// twin    src/hills/grid.rs
#import params
#import grid_potential
#import separation

const WORKGROUP: u32 = 64u;
// Potentials are multiples of 1/UNIT kcal/mol.
const UNIT: f32 = 4294967296.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> potential: array<GridPotential>;
@group(0) @binding(2) var<storage, read> hill: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> hill_node: array<GridNode>;

@compute @workgroup_size(WORKGROUP)
fn hills(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = workgroup_number(id, grid) * WORKGROUP + lane;
    let own = potential[0];
    if n >= own.x.nodes * own.y.nodes {
        return;
    }
    let at = vec2<f32>(f32(n % own.x.nodes), f32(n / own.x.nodes));
    var sum = vec4<f32>(0.0);
    for (var r = 0u; r < params.n_replicas; r++) {
        let x = hill_of(own.x, at.x - hill[r].x);
        let y = hill_of(own.y, at.y - hill[r].y);
        sum += hill[r].z * vec4<f32>(x.x * y.x, x.y * y.x, x.x * y.y, x.y * y.y);
    }
    let old = hill_node[own.first + n];
    // Products with powers of two are exact, so contraction to fma changes nothing.
    let added = old.low + round(sum * UNIT) * (1.0 / UNIT);
    // A zero that the compiler does not know.
    let zero = hill[0].w;
    let xyz = exact_sum(old.high.xyz, added.xyz, zero);
    let w = exact_sum(old.high.www, added.www, zero);
    hill_node[own.first + n] = GridNode(
        vec4<f32>(xyz.high.xyz, w.high.x),
        vec4<f32>(xyz.low.xyz, w.low.x),
    );
}
