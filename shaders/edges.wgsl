// edges -- the edges within the cutoff, and the place of their filters in the tables
//
//   edge = (j, interval; t),  d_ij = middle of the interval + t,  for d_ij < radius
//
// This kernel runs once per force evaluation; every block of the network reads its result. Rows
// keep the order of the neighbor list but drop the pairs between cutoff and skin, so that sums over
// a row do not depend on those pairs.
//
// reads   row [n_beads], col, bead, position [n_beads] Å, head of the filter tables
// writes  edge [n_replicas, capacity], reach [n_beads] (first edge, end, first bead of the
//         replica);
//         status [n_replicas]   crowded, where a bead has more than max_neighbors neighbors
// grid    one workgroup per row; a tile of edges at a time
// twin    src/model/filter_table.rs
#import params
#import math
#import separation
#import filter_table
#import edge

const WORKGROUP: u32 = 64u;
const WORDS: u32 = WORKGROUP / 32u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> bead: array<Bead>;
@group(0) @binding(4) var<storage, read> position: array<Position>;
@group(0) @binding(5) var<storage, read> head: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> edge: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> reach: array<vec4<u32>>;
@group(0) @binding(8) var<storage, read_write> status: array<atomic<u32>>;

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
    let x = position[me];
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
            let d = length_of(separation(x, position[j]));
            near = d < params.radius;
            if near {
                var stretch = head[0];
                for (var k = 1u; k < STRETCHES; k++) {
                    if d >= head[k].x {
                        stretch = head[k];
                    }
                }
                let at = place(stretch, d);
                found = edge_of(j - first, at.interval, at.t * params.t_per_angstrom);
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
        let n = end - here.x;
        if n > params.max_neighbors {
            let at = bead[i].replica * STATUS_WORDS + STATUS_CROWDED;
            atomicMax(&status[at], crowd(i - first, n - params.max_neighbors));
        }
    }
}
