// Parameters of a run, which every kernel binds; the host twin is `gpu::params::Params`.
#import vector

struct Params {
    u32 n_beads;
    u32 n_replicas;
    // Edges that each replica has room for.
    u32 capacity;
    // Prior term to evaluate, ALL_TERMS for all of them; or bias to evaluate.
    u32 term;
    // Classes of forces whose energies energy_reduce sums: FAST, SLOW or both.
    u32 classes;
    u32 seed_low;
    u32 seed_high;
    u32 integrator;
    // ps
    float dt;
    // exp(-friction dt), sqrt(1 - keep^2)
    float keep;
    float refresh;
    // Overdamped dynamics: dt / friction.
    float mobility;
    // Limits of `engine::Watch`: squared force of a bead, (kcal/mol/Å)^2; kinetic energy of a bead in
    // units of kT; length of a bond in units of its rest length.
    float max_force2;
    float max_kinetic;
    float max_stretch;
    // The bits of an edge with the number of the sender in its replica.
    u32 bead_bits;
    // Filter tables: units of t in 1 Å, and the unit of c2 and c3 in f32.
    float t_per_angstrom;
    float higher;
    // The gradients of the network are multiplied by this, which keeps them in the range of f16.
    float gradient_scale;
    // Converts a sum of gradient times slope with respect to t to kcal/mol/Å.
    float gradient_unit;
    // Å^2: squared radius of neighbor lists. Å: beads are neighbors in the network below this distance.
    float list2;
    float radius;
    // max_num_neighbors of the model
    u32 max_neighbors;
    // Ladders of replica exchange.
    u32 n_ladders;
};

constexpr u32 ALL_TERMS = 0xffffffffu;
constexpr u32 LANGEVIN = 0u;
constexpr u32 NVE = 1u;
constexpr u32 OVERDAMPED = 2u;
constexpr u32 OVERDAMPED_PUBLISHED = 3u;

// Classes of forces. The buffer `force` has ranges of n_beads: first the fast range, for the priors,
// then the slow range, for the network, and then, if there are biases or forces of the host, the
// bias range for these. xyz: the force, kcal/mol/Å; w: the energy of the bead, kcal/mol, 0 in the bias
// range.
constexpr u32 FAST = 1u;
constexpr u32 SLOW = 2u;

// Index of the slow force of bead i.
__device__ inline u32 slow(const Params* params, u32 i) {
    return params->n_beads + i;
}

// Index of the bias force of bead i.
__device__ inline u32 biased(const Params* params, u32 i) {
    return 2u * params->n_beads + i;
}

// Words of the status of a replica; the host twin is `gpu::params::Status`.
constexpr u32 STATUS_WORDS = 6u;
constexpr u32 STATUS_REBUILD = 0u;
constexpr u32 STATUS_EDGES = 1u;
constexpr u32 STATUS_OVERFLOW = 2u;
constexpr u32 STATUS_CROWDED = 3u;
// Rebuilds of the neighbor list, low and high word.
constexpr u32 STATUS_BUILDS = 4u;

// The value of STATUS_CROWDED for a bead with `excess` neighbors more than allowed. The largest
// value belongs to the lowest such bead. The host twin is `gpu::params::Status::crowd`.
__device__ inline u32 crowd(u32 bead, u32 excess) {
    return ((0xffffffu - bead) << 8u) | min(excess, 255u);
}

// A bead: its replica, the replica's first bead, its row in the tables of its molecule, its type.
struct Bead {
    u32 replica;
    u32 first;
    u32 row;
    u32 bead_type;
};

// Grids of more than 65,535 blocks extend into y.
__device__ inline u32 workgroup_number() {
    return blockIdx.x + blockIdx.y * gridDim.x;
}
