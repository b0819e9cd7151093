// Parameters of a run, which every kernel binds; the host twin is `gpu::params::Params`.
struct Params {
    n_beads: u32,
    n_replicas: u32,
    // Edges that each replica has room for.
    capacity: u32,
    // Prior term to evaluate, ALL_TERMS for all of them; or bias to evaluate.
    term: u32,
    // Classes of forces whose energies energy_reduce sums: FAST, SLOW or both.
    classes: u32,
    seed_low: u32,
    seed_high: u32,
    integrator: u32,
    // ps
    dt: f32,
    // exp(-friction dt), sqrt(1 - keep^2)
    keep: f32,
    refresh: f32,
    // Overdamped dynamics: dt / friction.
    mobility: f32,
    // Limits of `engine::Watch`: squared force of a bead, (kcal/mol/Å)^2; kinetic energy of a bead in
    // units of kT; length of a bond in units of its rest length.
    max_force2: f32,
    max_kinetic: f32,
    max_stretch: f32,
    // The bits of an edge with the number of the sender in its replica.
    bead_bits: u32,
    // Filter tables: units of t in 1 Å, and the unit of c2 and c3 in f32.
    t_per_angstrom: f32,
    higher: f32,
    // The gradients of the network are multiplied by this, which keeps them in the range of f16.
    gradient_scale: f32,
    // Converts a sum of gradient times slope with respect to t to kcal/mol/Å.
    gradient_unit: f32,
    // Å^2: squared radius of neighbor lists. Å: beads are neighbors in the network below this distance.
    list2: f32,
    radius: f32,
    // max_num_neighbors of the model
    max_neighbors: u32,
    // Ladders of replica exchange.
    n_ladders: u32,
}

const ALL_TERMS: u32 = 0xffffffffu;
const LANGEVIN: u32 = 0u;
const NVE: u32 = 1u;
const OVERDAMPED: u32 = 2u;
const OVERDAMPED_PUBLISHED: u32 = 3u;

// Classes of forces. The buffer `force` has ranges of n_beads: first the fast range, for the priors,
// then the slow range, for the network, and then, if there are biases or forces of the host, the
// bias range for these. xyz: the force, kcal/mol/Å; w: the energy of the bead, kcal/mol, 0 in the bias
// range.
const FAST: u32 = 1u;
const SLOW: u32 = 2u;

// Index of the slow force of bead i.
fn slow(i: u32) -> u32 {
    return params.n_beads + i;
}

// Index of the bias force of bead i.
fn biased(i: u32) -> u32 {
    return 2u * params.n_beads + i;
}

// Words of the status of a replica; the host twin is `gpu::params::Status`.
const STATUS_WORDS: u32 = 6u;
const STATUS_REBUILD: u32 = 0u;
const STATUS_EDGES: u32 = 1u;
const STATUS_OVERFLOW: u32 = 2u;
const STATUS_CROWDED: u32 = 3u;
// Rebuilds of the neighbor list, low and high word.
const STATUS_BUILDS: u32 = 4u;

// The value of STATUS_CROWDED for a bead with `excess` neighbors more than allowed. The largest
// value belongs to the lowest such bead. The host twin is `gpu::params::Status::crowd`.
fn crowd(bead: u32, excess: u32) -> u32 {
    return ((0xffffffu - bead) << 8u) | min(excess, 255u);
}

// A bead: its replica, the replica's first bead, its row in the tables of its molecule, its type.
struct Bead {
    replica: u32,
    first: u32,
    row: u32,
    bead_type: u32,
}

// Grids of more than 65,535 workgroups extend into y.
fn workgroup_number(id: vec3<u32>, grid: vec3<u32>) -> u32 {
    return id.x + id.y * grid.x;
}
