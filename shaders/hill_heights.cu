// hill_heights -- the grid potential at the values of each walker, and the height of its next hill
//
//   h_r = h0 exp(-V(q_r) / (k_B (gamma - 1) T))
//
// A walker whose values are not on the grid gets NaN as potential, and a hill of height 0.
//
// reads   potential [1], hill_node [nodes] (see lib/grid_potential), value [n_replicas] (x, y, -) in Å,
//         in rad or without unit
// writes  reading [n_replicas] (V, its gradient, 0) kcal/mol and per unit of each variable,
//         hill [n_replicas] (place in bins, height kcal/mol, 0)
// grid    one thread per walker
// twin    hill_heights.wgsl, src/hills/grid.rs
#import params
#import grid_potential

constexpr u32 WORKGROUP = 64u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) hill_heights(
    const Params* __restrict__ params,
    const GridPotential* __restrict__ potential,
    const GridNode* __restrict__ hill_node,
    const float4* __restrict__ value,
    float4* __restrict__ reading,
    float4* __restrict__ hill) {
    const u32 r = workgroup_number() * WORKGROUP + threadIdx.x;
    if (r >= params->n_replicas) {
        return;
    }
    const GridPotential own = potential[0];
    const float4 q = value[r];
    if (!is_on_axis(own.x, q.x) || !is_on_axis(own.y, q.y)) {
        reading[r] = four(float_of_bits(0x7fc00000u));
        hill[r] = four(0.0f);
        return;
    }
    const float2 place = make_float2(place_on(own.x, q.x), place_on(own.y, q.y));
    const float3 found = potential_at(own, hill_node, place);
    reading[r] = with_w(found, 0.0f);
    hill[r] = make_float4(place.x, place.y, own.height * exp_of(-own.rate * found.x), 0.0f);
}
