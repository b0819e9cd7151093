// neighbor_check -- recenters a replica, and decides whether its neighbor list must be rebuilt
//
//   s = round(x_first) if a coordinate of the first bead is beyond RECENTER, else 0
//   x_i -= s, origin += s
//   rebuild = s != 0 or max_i |x_i - x_i at the last build| > skin / 2
//
// The decision depends only on the state of the replica and is made at every force evaluation. A
// run that is split or restarted therefore gives the same bits. s is a whole number, so the shift
// is exact.
//
// A bead that integrate_begin marked raises an alarm, and its mark is removed.
//
// reads   replica [n_replicas] (first bead, beads, number, -), built_at [n_beads] Å
// writes  position [n_beads] Å, walker [n_replicas] (origin, alarm),
//         status [n_replicas]   rebuild, builds
// grid    one workgroup per replica
// twin    src/reference/neighbor.rs
#import params
#import walker
#import separation

const WORKGROUP: u32 = 64u;
// (skin / 2)^2, Å^2
const REACH2: f32 = 0.25;
// Å
const RECENTER: f32 = 64.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> built_at: array<Position>;
@group(0) @binding(3) var<storage, read_write> position: array<Position>;
@group(0) @binding(4) var<storage, read_write> walker: array<Walker>;
@group(0) @binding(5) var<storage, read_write> status: array<u32>;

// Whether an invocation found a reason to rebuild the list.
var<workgroup> found: array<u32, WORKGROUP>;

fn recentered(x: Position, by: vec3<f32>) -> Position {
    let zero = x.low.w;
    // Negated in its bits: Microsoft's FXC fails where this argument is a negated number.
    let back = bitcast<vec3<f32>>(bitcast<vec3<u32>>(by) ^ vec3<u32>(0x80000000u));
    let moved = exact_sum(x.high.xyz, back, zero);
    let sum = exact_sum(moved.high.xyz, moved.low.xyz + x.low.xyz, zero);
    return Position(vec4<f32>(sum.high.xyz, x.high.w), vec4<f32>(sum.low.xyz, zero));
}

@compute @workgroup_size(WORKGROUP)
fn neighbor_check(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid);
    let inside = r < params.n_replicas;
    let own = replica[min(r, params.n_replicas - 1u)];
    let first = position[own.x].high.xyz;
    let far = any(abs(first) > vec3<f32>(RECENTER));
    let by = select(vec3<f32>(0.0), round(first), far);
    let recenters = any(by != vec3<f32>(0.0));
    var mine = select(0u, 1u, recenters);
    if inside {
        for (var i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            let x = position[i];
            let moved = separation(x, built_at[i]);
            mine |= select(1u, 0u, dot(moved, moved) <= REACH2);
            if x.low.w != 0.0 {
                position[i].low.w = 0.0;
                atomicMin(&walker[r].alarm, alarm_of(i - own.x, POSITION));
            }
        }
    }
    found[lane] = mine;
    storageBarrier();
    workgroupBarrier();
    // The barrier above ensures that all invocations have read the first bead before its position
    // changes.
    if recenters && inside {
        for (var i = own.x + lane; i < own.x + own.y; i += WORKGROUP) {
            position[i] = recentered(position[i], by);
        }
    }
    if lane == 0u && inside {
        var all = 0u;
        for (var k = 0u; k < WORKGROUP; k++) {
            all |= found[k];
        }
        if recenters {
            walker[r].origin += by;
        }
        let at = r * STATUS_WORDS;
        status[at + STATUS_REBUILD] = all;
        if all != 0u {
            status[at + STATUS_BUILDS] += 1u;
            if status[at + STATUS_BUILDS] == 0u {
                status[at + STATUS_BUILDS + 1u] += 1u;
            }
        }
    }
}
