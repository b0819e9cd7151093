// limit_fma -- measures the f32 operations per second of the device
//
//   x = x keep + refresh, ROUNDS times, for eight independent vectors of four
//
// reads   params
// writes  sum [params->n_beads]   overwritten, so that no compiler removes the work
// grid    one thread per element
// twin    limit_fma.wgsl, src/gpu/ceilings.rs
#import params

constexpr u32 WORKGROUP = 256u;
constexpr u32 ROUNDS = 256u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) limit_fma(
    const Params* __restrict__ params,
    float* __restrict__ sum) {
    const u32 k = workgroup_number() * WORKGROUP + threadIdx.x;
    const float4 keep = four(params->keep);
    const float4 refresh = four(params->refresh);
    float4 a = make_float4(0.0f, 0.1f, 0.2f, 0.3f) + four(float(k));
    float4 b = a + four(1.0f);
    float4 c = a + four(2.0f);
    float4 d = a + four(3.0f);
    float4 e = a + four(4.0f);
    float4 f = a + four(5.0f);
    float4 g = a + four(6.0f);
    float4 h = a + four(7.0f);
    for (u32 round = 0u; round < ROUNDS; round++) {
        a = fma(a, keep, refresh);
        b = fma(b, keep, refresh);
        c = fma(c, keep, refresh);
        d = fma(d, keep, refresh);
        e = fma(e, keep, refresh);
        f = fma(f, keep, refresh);
        g = fma(g, keep, refresh);
        h = fma(h, keep, refresh);
    }
    const float4 all = a + b + c + d + e + f + g + h;
    if (k < params->n_beads) {
        sum[k] = all.x + all.y + all.z + all.w;
    }
}
