// limit_copy -- measures the memory bandwidth of the device
//
//   copied = source, 16 bytes per thread
//
// reads   source [params->n_beads]
// writes  copied [params->n_beads]   overwritten
// grid    one thread per element
// twin    limit_copy.wgsl, src/gpu/ceilings.rs
#import params

constexpr u32 WORKGROUP = 256u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) limit_copy(
    const Params* __restrict__ params,
    const float4* __restrict__ source,
    float4* __restrict__ copied) {
    const u32 k = workgroup_number() * WORKGROUP + threadIdx.x;
    if (k < params->n_beads) {
        copied[k] = source[k];
    }
}
