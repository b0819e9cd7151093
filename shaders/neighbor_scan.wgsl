// neighbor_scan -- where each row of the CSR neighbor list begins and ends
//
//   row_i = [start, start + count_i), start = r capacity + sum of the counts before i
//
// If a replica needs more edges than the capacity, its rows are left empty and status holds the
// number that it needs. The host then grows the list and repeats the steps since its last look at
// status.
//
// reads   replica [n_replicas], count [n_beads], status [n_replicas]   rebuild
// writes  row [n_beads]; status [n_replicas]   edges, overflow
// grid    one workgroup per replica
// twin    src/reference/neighbor.rs
#import params

const WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> replica: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> status: array<u32>;
@group(0) @binding(4) var<storage, read_write> row: array<vec2<u32>>;

var<workgroup> sums: array<u32, WORKGROUP>;
var<workgroup> rebuild: u32;

@compute @workgroup_size(WORKGROUP)
fn neighbor_scan(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = workgroup_number(id, grid);
    if lane == 0u {
        rebuild = 0u;
        if r < params.n_replicas {
            rebuild = status[r * STATUS_WORDS + STATUS_REBUILD];
        }
    }
    if workgroupUniformLoad(&rebuild) == 0u {
        return;
    }
    let first = replica[r].x;
    let n = replica[r].y;
    // Each invocation sums a run of consecutive rows, so that one scan over the invocations
    // suffices.
    let run = (n + WORKGROUP - 1u) / WORKGROUP;
    let begin = min(lane * run, n);
    let end = min(begin + run, n);
    var mine = 0u;
    for (var k = begin; k < end; k++) {
        mine += count[first + k];
    }
    sums[lane] = mine;
    workgroupBarrier();
    for (var stride = 1u; stride < WORKGROUP; stride *= 2u) {
        var before = 0u;
        if lane >= stride {
            before = sums[lane - stride];
        }
        workgroupBarrier();
        sums[lane] += before;
        workgroupBarrier();
    }
    let total = sums[WORKGROUP - 1u];
    let overflow = total > params.capacity;
    var start = r * params.capacity + sums[lane] - mine;
    for (var k = begin; k < end; k++) {
        let length = select(count[first + k], 0u, overflow);
        row[first + k] = vec2<u32>(start, start + length);
        start += length;
    }
    if lane == 0u {
        status[r * STATUS_WORDS + STATUS_EDGES] = total;
        // After the first overflow the beads move without a network, and later totals mean nothing.
        if overflow && status[r * STATUS_WORDS + STATUS_OVERFLOW] == 0u {
            status[r * STATUS_WORDS + STATUS_OVERFLOW] = total;
        }
    }
}
