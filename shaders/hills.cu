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
// grid    one thread per node
// twin    hills.wgsl, src/hills/grid.rs
#import params
#import grid_potential
#import separation

constexpr u32 WORKGROUP = 64u;
// Potentials are multiples of 1/UNIT kcal/mol.
constexpr float UNIT = 4294967296.0f;

// old + sum, with the sum rounded to a multiple of 1/UNIT: high and low part. Products with powers
// of two are exact, so contraction to fma changes nothing.
__device__ inline float2 raised(float high, float low, float sum) {
    return exact_sum(high, low + rintf(sum * UNIT) * (1.0f / UNIT));
}

extern "C" __global__ void __launch_bounds__(WORKGROUP) hills(
    const Params* __restrict__ params,
    const GridPotential* __restrict__ potential,
    const float4* __restrict__ hill,
    GridNode* __restrict__ hill_node) {
    const u32 n = workgroup_number() * WORKGROUP + threadIdx.x;
    const GridPotential own = potential[0];
    if (n >= own.x.nodes * own.y.nodes) {
        return;
    }
    const float2 at = make_float2(float(n % own.x.nodes), float(n / own.x.nodes));
    float4 sum = four(0.0f);
    for (u32 r = 0u; r < params->n_replicas; r++) {
        const float4 its = hill[r];
        const float2 x = hill_of(own.x, at.x - its.x);
        const float2 y = hill_of(own.y, at.y - its.y);
        sum += its.z * make_float4(x.x * y.x, x.y * y.x, x.x * y.y, x.y * y.y);
    }
    const GridNode old = hill_node[own.first + n];
    const float2 a = raised(old.high.x, old.low.x, sum.x);
    const float2 b = raised(old.high.y, old.low.y, sum.y);
    const float2 c = raised(old.high.z, old.low.z, sum.z);
    const float2 d = raised(old.high.w, old.low.w, sum.w);
    hill_node[own.first + n] = {
        make_float4(a.x, b.x, c.x, d.x), make_float4(a.y, b.y, c.y, d.y)};
}
