// edges -- the edges within the cutoff, and where their filters stand in the tables
//
//   edge = (j, interval; t),  d_ij = middle of the interval + t,  for d_ij < radius
//
// Once per step: every block reads its filters there. Rows keep the order of the neighbor list,
// without the pairs between cutoff and skin, so that sums do not know of them.
//
// reads   row [n_beads], col, bead, position [n_beads] Å, head of the filter tables
// writes  edge [n_replicas, capacity], reach [n_beads] (first edge, end, first bead of the replica)
// grid    one workgroup per row; a tile of edges at a time
// twin    src/model/filter_table.rs
#import params
#import math
#import filter_table
#import edge

const WORKGROUP: u32 = 64u;
const WORDS: u32 = WORKGROUP / 32u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> bead: array<Bead>;
@group(0) @binding(4) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> head: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> edge: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> reach: array<vec4<u32>>;

var<workgroup> ends: vec2<u32>;
// A bit for each edge of the tile that is within the cutoff.
var<workgroup> within: array<atomic<u32>, WORDS>;

@compute @workgroup_size(WORKGROUP)
fn edges(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = workgroup_number(id, grid);
    if lane == 0u {
        ends = vec2<u32>(0u);
        if i < params.n_beads {
            ends = row[i];
        }
    }
    let here = workgroupUniformLoad(&ends);
    let me = min(i, params.n_beads - 1u);
    let first = bead[me].first;
    let x = position[me].xyz;
    var end = here.x;
    for (var tile = here.x; tile < here.y; tile += WORKGROUP) {
        if lane < WORDS {
            atomicStore(&within[lane], 0u);
        }
        workgroupBarrier();
        var found: vec2<u32>;
        var near = false;
        if tile + lane < here.y {
            let j = col[tile + lane];
            let d = length_of(x - position[j].xyz);
            near = d < RADIUS;
            if near {
                var stretch = head[0];
                for (var k = 1u; k < STRETCHES; k++) {
                    if d >= head[k].x {
                        stretch = head[k];
                    }
                }
                let at = place(stretch, d);
                found = edge_of(j - first, at.interval, at.t);
                atomicOr(&within[lane / 32u], 1u << (lane % 32u));
            }
        }
        workgroupBarrier();
        var before = end;
        for (var word = 0u; word < WORDS; word++) {
            let bits = atomicLoad(&within[word]);
            end += countOneBits(bits);
            if word < lane / 32u {
                before += countOneBits(bits);
            } else if word == lane / 32u {
                before += countOneBits(bits & ((1u << (lane % 32u)) - 1u));
            }
        }
        if near {
            edge[before] = found;
        }
        workgroupBarrier();
    }
    if lane == 0u && i < params.n_beads {
        reach[i] = vec4<u32>(here.x, end, first, 0u);
    }
}
