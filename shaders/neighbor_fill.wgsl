// neighbor_fill -- the rows of the CSR neighbor list, with their senders in ascending order
//
//   row_i = [start, start + count_i), start = r capacity + sum of the counts before i
//   col[row_i] = { j != i : |x_i - x_j| < radius + skin }
//
// The workgroup of each bead sums the counts itself: one dispatch less than with a scan before, and
// no more reads than for the distances. If a replica needs more edges than the capacity, its rows
// are left empty and status holds the number that it needs. The host then grows the list and
// repeats the steps since its last look at status.
//
// reads   replica [n_replicas], bead, position [n_beads] Å, count [n_beads],
//         status [n_replicas]   rebuild
// writes  row [n_beads], col [n_replicas, capacity], built_at [n_beads] Å,
//         status [n_replicas]   edges, overflow   of the replicas that rebuild
// grid    one workgroup per ROWS beads; a tile of beads at a time
// twin    src/reference/neighbor.rs
#import params
#import separation

// One bit of a word for each invocation.
const WORKGROUP: u32 = 32u;
// Beads of a workgroup, processed one after the other: most workgroups have nothing to do.
const ROWS: u32 = 1u;
// Words of a tile; each invocation clears one.
const WORDS: u32 = WORKGROUP;
const TILE: u32 = WORDS * WORKGROUP;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bead: array<Bead>;
@group(0) @binding(3) var<storage, read> position: array<Position>;
@group(0) @binding(4) var<storage, read> count: array<u32>;
@group(0) @binding(5) var<storage, read_write> status: array<u32>;
@group(0) @binding(6) var<storage, read_write> row: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> col: array<u32>;
@group(0) @binding(8) var<storage, read_write> built_at: array<Position>;

// Beads to check: all of the replica, or none if it does not rebuild.
var<workgroup> beads: u32;
// The counts of the beads before this one.
var<workgroup> before: atomic<u32>;
// The counts of all beads of the replica: sums of their low 16 bits, and of the bits above.
var<workgroup> total_low: atomic<u32>;
var<workgroup> total_high: atomic<u32>;
// A bit for each bead of the tile that is near.
var<workgroup> near: array<atomic<u32>, WORDS>;

@compute @workgroup_size(WORKGROUP)
fn neighbor_fill(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var k = 0u; k < ROWS; k++) {
        let i = workgroup_number(id, grid) * ROWS + k;
        if lane == 0u {
            beads = 0u;
            if i < params.n_beads {
                let r = bead[i].replica;
                if status[r * STATUS_WORDS + STATUS_REBUILD] != 0u {
                    beads = replica[r].y;
                }
            }
            atomicStore(&before, 0u);
            atomicStore(&total_low, 0u);
            atomicStore(&total_high, 0u);
        }
        let n = workgroupUniformLoad(&beads);
        if n == 0u {
            continue;
        }
        let first = bead[i].first;
        let x = position[i];
        var mine_before = 0u;
        var mine = vec2<u32>(0u);
        for (var j = first + lane; j < first + n; j += WORKGROUP) {
            let edges = count[j];
            mine_before += select(0u, edges, j < i);
            mine.x += edges;
            mine.y += select(0u, 1u, mine.x < edges);
        }
        atomicAdd(&before, mine_before);
        atomicAdd(&total_low, mine.x & 0xffffu);
        atomicAdd(&total_high, (mine.x >> 16u) + (mine.y << 16u));
        workgroupBarrier();
        let low = atomicLoad(&total_low);
        let high = atomicLoad(&total_high) + (low >> 16u);
        let total = select((high << 16u) + (low & 0xffffu), 0xffffffffu, high > 0xffffu);
        let overflow = total > params.capacity;
        var start = 0u;
        var end = 0u;
        if !overflow {
            start = bead[i].replica * params.capacity + atomicLoad(&before);
            end = start + count[i];
        }
        if lane == 0u {
            row[i] = vec2<u32>(start, end);
        }
        for (var tile = 0u; tile < n; tile += TILE) {
            let words = min((n - tile + WORKGROUP - 1u) / WORKGROUP, WORDS);
            atomicStore(&near[lane], 0u);
            workgroupBarrier();
            for (var word = 0u; word < words; word++) {
                let other = tile + word * WORKGROUP + lane;
                if other < n && first + other != i {
                    let between = separation(x, position[first + other]);
                    if square_of(between) < params.list2 {
                        atomicOr(&near[word], 1u << lane);
                    }
                }
            }
            workgroupBarrier();
            // The place of a bead in the row is the number of bits before its own.
            for (var word = 0u; word < words; word++) {
                let bits = atomicLoad(&near[word]);
                let at = start + countOneBits(bits & ((1u << lane) - 1u));
                if ((bits >> lane) & 1u) == 1u && at < end {
                    col[at] = first + tile + word * WORKGROUP + lane;
                }
                start += countOneBits(bits);
            }
            workgroupBarrier();
        }
        if lane == 0u {
            built_at[i] = position[i];
        }
        if lane == 0u && i == first {
            let own = bead[i].replica * STATUS_WORDS;
            status[own + STATUS_EDGES] = total;
            // After the first overflow the beads move without a network, and later totals mean
            // nothing.
            if overflow && status[own + STATUS_OVERFLOW] == 0u {
                status[own + STATUS_OVERFLOW] = total;
            }
        }
    }
}
