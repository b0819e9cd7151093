// What every kernel may need to know of the run; the host twin is `gpu::params::Params`.
struct Params {
    n_beads: u32,
    n_replicas: u32,
    // Edges each replica has room for.
    capacity: u32,
    // Prior term to evaluate; ALL_TERMS for all of them.
    term: u32,
    // 1 where forces start from the external ones, else 0.
    with_external: u32,
    seed_low: u32,
    seed_high: u32,
    integrator: u32,
    // ps
    dt: f32,
    // exp(-friction dt), sqrt(1 - keep^2); Brownian motion: 0, 1.
    keep: f32,
    refresh: f32,
    // Brownian motion: 1 / friction.
    mobility: f32,
}

const ALL_TERMS: u32 = 0xffffffffu;
const LANGEVIN: u32 = 0u;
const NVE: u32 = 1u;
const OVERDAMPED: u32 = 2u;

// Words of the status of a replica; the host twin is `gpu::params::Status`.
const STATUS_WORDS: u32 = 8u;
const STATUS_REBUILD: u32 = 0u;
const STATUS_EDGES: u32 = 1u;
const STATUS_OVERFLOW: u32 = 2u;
const STATUS_CROWDED: u32 = 3u;
const STATUS_BROKEN: u32 = 4u;
const STATUS_BUILDS: u32 = 5u;

// A bead: its replica, the replica's first bead, its row in the tables of its molecule, its type.
struct Bead {
    replica: u32,
    first: u32,
    row: u32,
    bead_type: u32,
}

// Dispatches are folded into y beyond 65,535 workgroups.
fn workgroup_number(id: vec3<u32>, grid: vec3<u32>) -> u32 {
    return id.x + id.y * grid.x;
}
