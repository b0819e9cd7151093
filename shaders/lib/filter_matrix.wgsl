// Constants of the kernels with filter networks on tensor cores. Two matrices of 16 rows go through
// a network together; each half of the subgroups multiplies one of them.
//
// The kernel declares TILE, the number of edges in these rows, and `rows`, an array of ROWS_SIZE.
#import parts

const WORKGROUP: u32 = 512u;
const SUBGROUPS: u32 = WORKGROUP / 32u;
// Rows of a workgroup, processed one after the other.
const ROWS: u32 = 4u;
// Quads of four channels, as in memory.
const QUADS: u32 = 32u;
// Channels and radial functions, in whole matrices of 16.
const FILTER_MATRICES: u32 = 8u;
const RBF_MATRICES: u32 = 4u;
// Invocations that share the functions of an edge, four functions each.
const BASIS_LANES: u32 = 16u;
const_assert SUBGROUPS >= 2u * FILTER_MATRICES && QUADS <= 32u && BASIS_LANES <= 32u;
const_assert 4u * FILTER_MATRICES >= QUADS && BASIS_LANES >= 4u * RBF_MATRICES;

// Quads from one row to the next. The padding puts rows into different banks of workgroup memory.
const BASIS_STRIDE: u32 = 4u * RBF_MATRICES + 2u;
const HIDDEN_STRIDE: u32 = 4u * FILTER_MATRICES + 2u;
const SUM_STRIDE: u32 = 4u * FILTER_MATRICES + 2u;
// Offset of the low parts of the basis; size of the larger input of the two layers.
const LOW: u32 = 32u * BASIS_STRIDE;
const ROWS_SIZE: u32 = max(2u * LOW, 32u * HIDDEN_STRIDE);
// Offset of filter1 in `halves`; offsets of the bias and the functions in `numbers`.
const FILTER1: u32 = 64u * RBF_MATRICES * FILTER_MATRICES;
const BIAS: u32 = 1u;
const FUNCTIONS: u32 = BIAS + 4u * FILTER_MATRICES;

// List entries checked against the cutoff at a time; slots for neighbors that wait for a full tile.
const SEGMENT: u32 = 256u;
const WORDS: u32 = 8u;
const SLOTS: u32 = SEGMENT + TILE;
const_assert SEGMENT == 32u * WORDS && SEGMENT <= WORKGROUP;

// The column of matrices of a subgroup. Surplus subgroups repeat the work of the last column.
fn column_of(lane: u32) -> u32 {
    return min(lane / 32u % (SUBGROUPS / 2u), FILTER_MATRICES - 1u);
}
