// What every kernel may need to know of the run; the host twin is `gpu::params::Params`.
#import vector

struct Params {
    u32 n_beads;
    u32 n_replicas;
    // Edges each replica has room for.
    u32 capacity;
    // Prior term to evaluate; ALL_TERMS for all of them.
    u32 term;
    // 1 where forces start from the external ones, else 0.
    u32 with_external;
    u32 seed_low;
    u32 seed_high;
    u32 integrator;
    // ps
    float dt;
    // exp(-friction dt), sqrt(1 - keep^2); Brownian motion: 0, 1.
    float keep;
    float refresh;
    // Brownian motion: 1 / friction.
    float mobility;
};

constexpr u32 ALL_TERMS = 0xffffffffu;
constexpr u32 LANGEVIN = 0u;
constexpr u32 NVE = 1u;
constexpr u32 OVERDAMPED = 2u;

// Words of the status of a replica; the host twin is `gpu::params::Status`.
constexpr u32 STATUS_WORDS = 8u;
constexpr u32 STATUS_REBUILD = 0u;
constexpr u32 STATUS_EDGES = 1u;
constexpr u32 STATUS_OVERFLOW = 2u;
constexpr u32 STATUS_CROWDED = 3u;
constexpr u32 STATUS_BROKEN = 4u;
constexpr u32 STATUS_BUILDS = 5u;

// A bead: its replica, the replica's first bead, its row in the tables of its molecule, its type.
struct Bead {
    u32 replica;
    u32 first;
    u32 row;
    u32 bead_type;
};

// Grids are folded into y beyond 65,535 blocks.
__device__ inline u32 workgroup_number() {
    return blockIdx.x + blockIdx.y * gridDim.x;
}
