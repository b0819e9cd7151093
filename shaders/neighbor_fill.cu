// neighbor_fill -- the senders of each row of the CSR neighbor list, in ascending order
//
//   col[row_i] = { j != i : |x_i - x_j| < radius + skin }
//
// reads   replica [n_replicas], bead, position [n_beads] Å, row [n_beads],
//         status [n_replicas]   rebuild
// writes  col [n_replicas, capacity], built_at [n_beads] Å   of the replicas that rebuild
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
// (radius + skin)^2, Å^2
constexpr float LIST2 = 256.0f;

extern "C" __global__ void __launch_bounds__(WORKGROUP) neighbor_fill(
    const Params* __restrict__ params,
    const uint4* __restrict__ replica,
    const Bead* __restrict__ bead,
    const Position* __restrict__ position,
    const u32* __restrict__ status,
    const uint2* __restrict__ row,
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
        const u32 end = row[i].y;
        u32 start = row[i].x;
        for (u32 tile = 0u; tile < n; tile += TILE) {
            // A bit for each bead of the tile that is near; the same in all lanes.
            u32 near[WORDS];
#pragma unroll
            for (u32 word = 0u; word < WORDS; word++) {
                const u32 other = tile + word * WORKGROUP + lane;
                // The same operations as in neighbor_count, so that both find the same pairs.
                const float square =
                    square_of(separation(x, position[first + min(other, n - 1u)]));
                const bool found = other < n && first + other != i && square < LIST2;
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
    }
}
