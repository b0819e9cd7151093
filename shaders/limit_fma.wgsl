// limit_fma -- measures the f32 operations per second of the device
//
//   x = x keep + refresh, ROUNDS times, for eight independent vectors of four
//
// reads   params
// writes  sum [params.n_beads]   overwritten, so that no compiler removes the work
// grid    one invocation per element
// twin    src/gpu/ceilings.rs
#import params

const WORKGROUP: u32 = 256u;
const ROUNDS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn limit_fma(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = workgroup_number(id, grid) * WORKGROUP + lane;
    let keep = vec4<f32>(params.keep);
    let refresh = vec4<f32>(params.refresh);
    var a = vec4<f32>(0.0, 0.1, 0.2, 0.3) + f32(k);
    var b = a + 1.0;
    var c = a + 2.0;
    var d = a + 3.0;
    var e = a + 4.0;
    var f = a + 5.0;
    var g = a + 6.0;
    var h = a + 7.0;
    for (var round = 0u; round < ROUNDS; round++) {
        a = fma(a, keep, refresh);
        b = fma(b, keep, refresh);
        c = fma(c, keep, refresh);
        d = fma(d, keep, refresh);
        e = fma(e, keep, refresh);
        f = fma(f, keep, refresh);
        g = fma(g, keep, refresh);
        h = fma(h, keep, refresh);
    }
    let all = a + b + c + d + e + f + g + h;
    if k < params.n_beads {
        sum[k] = all.x + all.y + all.z + all.w;
    }
}
