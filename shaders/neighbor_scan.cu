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
// grid    one block per replica
// twin    neighbor_scan.wgsl, src/reference/neighbor.rs
#import params

constexpr u32 WORKGROUP = 256u;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_scan(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const u32* __restrict__ count,
    u32* __restrict__ status,
    uint2* __restrict__ row) {
    __shared__ u32 sums[WORKGROUP];
    const u32 r = workgroup_number();
    const u32 lane = threadIdx.x;
    // The branch is uniform: all threads read the same word, which no thread writes.
    if (r >= params->n_replicas || status[r * STATUS_WORDS + STATUS_REBUILD] == 0u) {
        return;
    }
    const u32 first = replica[r].x;
    const u32 n = replica[r].y;
    // Each thread sums a run of consecutive rows, so that one scan over the threads suffices.
    const u32 run = (n + WORKGROUP - 1u) / WORKGROUP;
    const u32 begin = min(lane * run, n);
    const u32 end = min(begin + run, n);
    u32 mine = 0u;
    for (u32 k = begin; k < end; k++) {
        mine += count[first + k];
    }
    sums[lane] = mine;
    __syncthreads();
    for (u32 stride = 1u; stride < WORKGROUP; stride *= 2u) {
        const u32 before = lane >= stride ? sums[lane - stride] : 0u;
        __syncthreads();
        sums[lane] += before;
        __syncthreads();
    }
    const u32 total = sums[WORKGROUP - 1u];
    const bool overflow = total > params->capacity;
    u32 start = r * params->capacity + sums[lane] - mine;
    for (u32 k = begin; k < end; k++) {
        const u32 length = overflow ? 0u : count[first + k];
        row[first + k] = make_uint2(start, start + length);
        start += length;
    }
    if (lane == 0u) {
        u32* own = status + r * STATUS_WORDS;
        own[STATUS_EDGES] = total;
        // After the first overflow the beads move without a network, and later totals mean nothing.
        if (overflow && own[STATUS_OVERFLOW] == 0u) {
            own[STATUS_OVERFLOW] = total;
        }
    }
}
