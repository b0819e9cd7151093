// neighbor_fill -- the rows of the CSR neighbor list, with their senders in ascending order
//
//   row_i = [start, start + count_i), start = r capacity + sum of the counts before i
//   col[row_i] = { j != i : |x_i - x_j| < radius + skin }
//
// The block of each bead sums the counts itself: one dispatch less than with a scan before, and
// no more reads than for the distances. If a replica needs more edges than the capacity, its rows
// are left empty and status holds the number that it needs. The host then grows the list and
// repeats the steps since its last look at status.
//
// reads   replica [n_replicas], bead, position [n_beads] Å, count [n_beads],
//         status [n_replicas]   rebuild
// writes  row [n_beads], col [n_replicas, capacity], built_at [n_beads] Å,
//         status [n_replicas]   edges, overflow   of the replicas that rebuild
// grid    one block per ROWS beads; a tile of beads at a time
// twin    neighbor_fill.wgsl, src/reference/neighbor.rs
#import params
#import separation

// One warp, whose ballots need neither shared memory nor barriers.
constexpr u32 WORKGROUP = 32u;
// Beads of a block, processed one after the other: most blocks have nothing to do.
constexpr u32 ROWS = 1u;
// Words of a tile. The beads of all its words are loaded independently of each other.
constexpr u32 WORDS = 8u;
constexpr u32 TILE = WORDS * WORKGROUP;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_fill(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const Position* __restrict__ position,
    const u32* __restrict__ count,
    u32* __restrict__ status,
    uint2* __restrict__ row,
    u32* __restrict__ col,
    Position* __restrict__ built_at) {
    static_assert(WORKGROUP == 32u, "one warp");
    const u32 lane = threadIdx.x;
    for (u32 k = 0u; k < ROWS; k++) {
        const u32 i = workgroup_number() * ROWS + k;
        if (i >= params->n_beads) {
            break;
        }
        const u32 r = bead[i].replica;
        if (status[r * STATUS_WORDS + STATUS_REBUILD] == 0u) {
            continue;
        }
        const u32 first = bead[i].first;
        const u32 n = replica[r].y;
        const Position x = position[i];
        // The counts of the beads before this one, and of all beads of the replica.
        u32 before = 0u;
        u32 low = 0u;
        u32 high = 0u;
        for (u32 j = first + lane; j < first + n; j += WORKGROUP) {
            const u32 edges = count[j];
            before += j < i ? edges : 0u;
            low += edges;
            high += low < edges ? 1u : 0u;
        }
        before = warp_sum(before);
        const u32 low_sum = warp_sum(low & 0xffffu);
        const u32 high_sum = warp_sum((low >> 16u) + (high << 16u)) + (low_sum >> 16u);
        const u32 total =
            high_sum > 0xffffu ? 0xffffffffu : (high_sum << 16u) + (low_sum & 0xffffu);
        const bool overflow = total > params->capacity;
        u32 start = 0u;
        u32 end = 0u;
        if (!overflow) {
            start = r * params->capacity + before;
            end = start + count[i];
        }
        if (lane == 0u) {
            row[i] = make_uint2(start, end);
        }
        for (u32 tile = 0u; tile < n; tile += TILE) {
            // A bit for each bead of the tile that is near; the same in all lanes.
            u32 near[WORDS];
#pragma unroll
            for (u32 word = 0u; word < WORDS; word++) {
                const u32 other = tile + word * WORKGROUP + lane;
                // The same operations as in neighbor_count, so that both find the same pairs.
                const float square =
                    square_of(separation(x, position[first + min(other, n - 1u)]));
                const bool found = other < n && first + other != i && square < params->list2;
                near[word] = __ballot_sync(0xffffffffu, found);
            }
            // The place of a bead in the row is the number of bits before its own.
#pragma unroll
            for (u32 word = 0u; word < WORDS; word++) {
                const u32 bits = near[word];
                const u32 at = start + __popc(bits & ((1u << lane) - 1u));
                if (((bits >> lane) & 1u) == 1u && at < end) {
                    col[at] = first + tile + word * WORKGROUP + lane;
                }
                start += __popc(bits);
            }
        }
        if (lane == 0u) {
            built_at[i] = position[i];
        }
        if (lane == 0u && i == first) {
            u32* own = status + r * STATUS_WORDS;
            own[STATUS_EDGES] = total;
            // After the first overflow the beads move without a network, and later totals mean
            // nothing.
            if (overflow && own[STATUS_OVERFLOW] == 0u) {
                own[STATUS_OVERFLOW] = total;
            }
        }
    }
}
