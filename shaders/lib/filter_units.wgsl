// What the kernels with filter networks on the matrix units share: two matrices of 16 rows go through
// a network together, each with one half of the subgroups.
//
// The kernel declares TILE, the edges in these rows, and `rows`, ROWS_SIZE long.
#import parts

const WORKGROUP: u32 = 512u;
const SUBGROUPS: u32 = WORKGROUP / 32u;
// Rows of the list that a workgroup has, one after the other.
const ROWS: u32 = 4u;
// Channels in fours, as in memory.
const QUADS: u32 = 32u;
// Channels and radial functions in whole matrices.
const FILTER_MATRICES: u32 = 8u;
const RBF_MATRICES: u32 = 4u;
// Invocations that have the functions of an edge, four each.
const BASIS_LANES: u32 = 16u;
const_assert SUBGROUPS >= 2u * FILTER_MATRICES && QUADS <= 32u && BASIS_LANES <= 32u;
const_assert 4u * FILTER_MATRICES >= QUADS && BASIS_LANES >= 4u * RBF_MATRICES;

// Fours from one row to the next: rows begin in different banks of the memory.
const BASIS_STRIDE: u32 = 4u * RBF_MATRICES + 2u;
const HIDDEN_STRIDE: u32 = 4u * FILTER_MATRICES + 2u;
const SUM_STRIDE: u32 = 4u * FILTER_MATRICES + 2u;
// Where the lower parts of the basis begin, and what either layer needs.
const LOW: u32 = 32u * BASIS_STRIDE;
const ROWS_SIZE: u32 = max(2u * LOW, 32u * HIDDEN_STRIDE);
// Where filter1 begins among `halves`; bias and functions among `numbers`.
const FILTER1: u32 = 64u * RBF_MATRICES * FILTER_MATRICES;
const BIAS: u32 = 1u;
const FUNCTIONS: u32 = BIAS + 4u * FILTER_MATRICES;

// Entries of the list looked at together, and room for neighbors that wait for a full tile.
const SEGMENT: u32 = 256u;
const WORDS: u32 = 8u;
const SLOTS: u32 = SEGMENT + TILE;
const_assert SEGMENT == 32u * WORDS && SEGMENT <= WORKGROUP;

// Column of a subgroup, in matrices; what has none of its own repeats the last one's work.
fn column_of(lane: u32) -> u32 {
    return min(lane / 32u % (SUBGROUPS / 2u), FILTER_MATRICES - 1u);
}
