// Variables, scalar functions of the positions of one replica: values and gradients, computed by one
// block for each replica. `crate::Variable` has the equations; the host twin of the layout is
// `gpu::variables`.
//
// A kernel that imports this file declares WORKGROUP, a power of 2. All threads of the block call
// `evaluate` and get the same result, from which `gradient` gives the gradient at any bead.
//
// Positions are taken relative to a bead and then to the center, so that no digits are lost far from
// the origin. An RMSD is the length of the residuals of the optimal rotation: its formula by the
// eigenvalue is a small difference of large numbers.
#import math
#import separation
#import angles

// Kinds of variables; the host twin is `gpu::variables::kind`.
constexpr u32 VARIABLE_POSITION = 0u;
constexpr u32 VARIABLE_DISTANCE = 1u;
constexpr u32 VARIABLE_ANGLE = 2u;
constexpr u32 VARIABLE_DIHEDRAL = 3u;
constexpr u32 VARIABLE_GYRATION = 4u;
constexpr u32 VARIABLE_RMSD = 5u;
constexpr u32 VARIABLE_CONTACTS = 6u;

// Words of the header of a variable. In `variables` come first, in as many words, the number of
// variables and the layout of lib/spring; then the headers of all variables.
constexpr u32 HEADER_WORDS = 8u;
// Squarings of the matrix of an optimal rotation: its eigenvalues may differ by a relative 1e-6.
constexpr u32 SQUARINGS = 24u;

// The header of a variable. `beads`, `table` and `reference` are places in `variables`.
struct Variable {
    u32 kind;
    // Number of beads, or 0 for all beads of the replica; of the first group of a distance. For
    // contacts twice the number of pairs, because each pair is in the list of both its beads.
    u32 count;
    // Number of beads of the second group of a distance.
    u32 second;
    // Bead numbers, group after group. For contacts bead, partner and lambda d of each entry, Å.
    u32 beads;
    // A word for each bead up to the last of the variable. Distance: the weight of the bead.
    // Contacts: the first entry of the bead, and at the end their number. Else 0, or the number of
    // the bead in `beads` plus 1.
    u32 table;
    // Number of beads in the table.
    u32 table_beads;
    // Three words for each bead, Å. RMSD: the place relative to the center. Position: the place in
    // whole Å, and three words more for the rest.
    u32 reference;
    // Contacts: beta, 1/Å.
    float beta;
};

// The replica of a block.
struct Here {
    const u32* variables;
    // Positions of the replica's beads.
    const Position* position;
    u32 n_beads;
    // Å
    float3 origin;

    __device__ float real(u32 at) const { return float_of_bits(variables[at]); }
    __device__ float3 reals(u32 at) const {
        return make_float3(real(at), real(at + 1u), real(at + 2u));
    }
};

// A variable at the present positions: its value, and vectors for the gradient. Distance: `a` is
// the direction from the second center to the first. Radius of gyration and RMSD: `a` is the center,
// relative to the first bead. RMSD: `b`, `c` and `d` are the rows of the rotation.
struct Evaluated {
    float value;
    float3 a;
    float3 b;
    float3 c;
    float3 d;
};

// The sum over the block, as a tree of fixed shape.
__device__ inline float3 workgroup_sum(float3 x) {
    __shared__ float4 partial[WORKGROUP];
    const u32 lane = threadIdx.x;
    partial[lane] = with_w(x, 0.0f);
    __syncthreads();
    for (u32 stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if (lane < stride) {
            partial[lane] += partial[lane + stride];
        }
        __syncthreads();
    }
    const float3 total = xyz(partial[0]);
    __syncthreads();
    return total;
}

__device__ inline float workgroup_sum(float x) { return workgroup_sum(three(x)).x; }

__device__ inline u32 n_variables(const u32* variables) { return variables[0]; }

__device__ inline Variable variable_at(u32 k, const Here& here) {
    const u32* header = here.variables + HEADER_WORDS * (1u + k);
    return {
        header[0], header[1], header[2], header[3], header[4], header[5], header[6],
        float_of_bits(header[7])};
}

__device__ inline u32 n_beads_of(const Variable& v, const Here& here) {
    return v.count == 0u ? here.n_beads : v.count;
}

// Position of bead i of the variable's list.
__device__ inline Position listed(const Variable& v, const Here& here, u32 i) {
    return here.position[v.count == 0u ? i : here.variables[v.beads + i]];
}

// The word of the table for a bead of the replica.
__device__ inline u32 table_word(const Variable& v, const Here& here, u32 bead) {
    return bead < v.table_beads ? here.variables[v.table + bead] : 0u;
}

// Displacement of bead i of the list from its reference. The difference of whole numbers is exact.
__device__ inline float3 displacement(const Variable& v, const Here& here, u32 i) {
    const u32 at = v.reference + 6u * i;
    const Position x = listed(v, here, i);
    return (xyz(x.high) - (here.reals(at) - here.origin)) + (xyz(x.low) - here.reals(at + 3u));
}

// Sum over `count` beads, which start at bead `start` of the list, of their separations from the
// first of them.
__device__ inline float3 spread(const Variable& v, const Here& here, u32 start, u32 count) {
    const Position anchor = listed(v, here, start);
    float3 sum = three(0.0f);
    for (u32 i = threadIdx.x; i < count; i += WORKGROUP) {
        sum += separation(listed(v, here, start + i), anchor);
    }
    return workgroup_sum(sum);
}

// Position x relative to the center, less the rotated reference of bead i of the list.
__device__ inline float3 residual(const Variable& v, const Here& here, const Evaluated& e, u32 i) {
    const float3 y = separation(listed(v, here, i), listed(v, here, 0u)) - e.a;
    if (v.kind == VARIABLE_GYRATION) {
        return y;
    }
    const float3 z = here.reals(v.reference + 3u * i);
    return y - make_float3(dot(e.b, z), dot(e.c, z), dot(e.d, z));
}

// Sets the rows of the rotation R for which the sum of |y - R z|^2 is smallest. The arguments are the
// sums of z y_x, z y_y and z y_z. The host twin, with the method, is src/variable/rotation.rs.
__device__ inline void set_rotation(Evaluated& e, float3 of_x, float3 of_y, float3 of_z) {
    const float3 off = make_float3(of_z.y - of_y.z, of_x.z - of_z.x, of_y.x - of_x.y);
    const float xy = of_y.x + of_x.y;
    const float zx = of_x.z + of_z.x;
    const float yz = of_z.y + of_y.z;
    const float3 s = make_float3(of_x.x, of_y.y, of_z.z);
    float4 power[4] = {
        make_float4(s.x + s.y + s.z, off.x, off.y, off.z),
        make_float4(off.x, s.x - s.y - s.z, xy, zx),
        make_float4(off.y, xy, s.y - s.x - s.z, yz),
        make_float4(off.z, zx, yz, s.z - s.x - s.y)};
    const float bound = sqrtf(
        dot(power[0], power[0]) + dot(power[1], power[1])
        + dot(power[2], power[2]) + dot(power[3], power[3]));
    const float scale = bound > 0.0f ? 1.0f / bound : 0.0f;
    for (u32 i = 0u; i < 4u; i++) {
        power[i] *= four(scale);
    }
    power[0].x += 1.0f;
    power[1].y += 1.0f;
    power[2].z += 1.0f;
    power[3].w += 1.0f;
    for (u32 k = 0u; k < SQUARINGS; k++) {
        const float factor = 1.0f / (power[0].x + power[1].y + power[2].z + power[3].w);
        float4 rows[4];
        for (u32 i = 0u; i < 4u; i++) {
            rows[i] = factor * power[i];
        }
        for (u32 i = 0u; i < 4u; i++) {
            power[i] = (rows[i].x * rows[0] + rows[i].y * rows[1])
                + (rows[i].z * rows[2] + rows[i].w * rows[3]);
        }
    }
    float4 longest = power[0];
    float largest = power[0].x;
    if (power[1].y > largest) {
        longest = power[1];
        largest = power[1].y;
    }
    if (power[2].z > largest) {
        longest = power[2];
        largest = power[2].z;
    }
    if (power[3].w > largest) {
        longest = power[3];
    }
    // With one Newton step for the square root, because R scales with the square of q.
    const float4 near = (1.0f / sqrtf(dot(longest, longest))) * longest;
    const float4 q = fmaf(-0.5f, dot(near, near), 1.5f) * near;
    const float w = q.x;
    const float3 v = make_float3(q.y, q.z, q.w);
    e.b = make_float3(
        w * w + v.x * v.x - v.y * v.y - v.z * v.z,
        2.0f * (v.x * v.y - w * v.z), 2.0f * (v.x * v.z + w * v.y));
    e.c = make_float3(
        2.0f * (v.x * v.y + w * v.z),
        w * w - v.x * v.x + v.y * v.y - v.z * v.z, 2.0f * (v.y * v.z - w * v.x));
    e.d = make_float3(
        2.0f * (v.x * v.z - w * v.y), 2.0f * (v.y * v.z + w * v.x),
        w * w - v.x * v.x - v.y * v.y + v.z * v.z);
}

__device__ inline Bend bend_at(const Variable& v, const Here& here) {
    const Position middle = listed(v, here, 1u);
    return bend_of(
        separation(listed(v, here, 0u), middle), separation(listed(v, here, 2u), middle));
}

__device__ inline Torsion torsion_at(const Variable& v, const Here& here) {
    const Position x1 = listed(v, here, 1u);
    const Position x2 = listed(v, here, 2u);
    return torsion_of(
        separation(x1, listed(v, here, 0u)), separation(x2, x1),
        separation(listed(v, here, 3u), x2));
}

// Separation, contact and slope with respect to the distance of an entry of the contacts.
struct Contact {
    float3 between;
    float distance;
    float contact;
    float slope;
};

__device__ inline Contact contact_at(const Variable& v, const Here& here, u32 entry) {
    const u32 at = v.beads + 3u * entry;
    const Position own = here.position[here.variables[at]];
    const float3 between = separation(own, here.position[here.variables[at + 1u]]);
    const float distance = length_of(between);
    // Beyond the bounds contact and slope are 0 in f32, or 1 and 0.
    const float x = fminf(fmaxf(v.beta * (distance - here.real(at + 2u)), -80.0f), 80.0f);
    const float contact = 1.0f / (1.0f + exp_of(x));
    return {between, distance, contact, -v.beta * contact / (1.0f + exp_of(-x))};
}

// Variable k at the positions of a replica.
__device__ inline Evaluated evaluate(u32 k, const Here& here) {
    const u32 lane = threadIdx.x;
    const Variable v = variable_at(k, here);
    Evaluated e = {0.0f, three(0.0f), three(0.0f), three(0.0f), three(0.0f)};
    if (v.kind == VARIABLE_POSITION) {
        float sum = 0.0f;
        for (u32 i = lane; i < v.count; i += WORKGROUP) {
            const float3 moved = displacement(v, here, i);
            sum += dot(moved, moved);
        }
        e.value = sqrtf(workgroup_sum(sum) / float(v.count));
    } else if (v.kind == VARIABLE_DISTANCE) {
        const float3 center0 = spread(v, here, 0u, v.count) / float(v.count);
        const float3 center1 = spread(v, here, v.count, v.second) / float(v.second);
        const float3 anchors = separation(listed(v, here, 0u), listed(v, here, v.count));
        const float3 between = anchors + (center0 - center1);
        e.value = length_of(between);
        e.a = unit_of(between, e.value);
    } else if (v.kind == VARIABLE_ANGLE) {
        const Bend bend = bend_at(v, here);
        e.value = atan2_of(sqrtf(bend.sin2), bend.cosine);
    } else if (v.kind == VARIABLE_DIHEDRAL) {
        const float2 rotation = torsion_at(v, here).rotation;
        const float phi = atan2_of(rotation.y, rotation.x);
        e.value = phi >= PI ? -PI : phi;
    } else if (v.kind == VARIABLE_CONTACTS) {
        float sum = 0.0f;
        for (u32 entry = lane; entry < v.count; entry += WORKGROUP) {
            sum += contact_at(v, here, entry).contact;
        }
        e.value = workgroup_sum(sum) / float(v.count);
    } else {
        const u32 n = n_beads_of(v, here);
        e.a = spread(v, here, 0u, n) / float(n);
        if (v.kind == VARIABLE_RMSD) {
            float3 of_x = three(0.0f);
            float3 of_y = three(0.0f);
            float3 of_z = three(0.0f);
            for (u32 i = lane; i < n; i += WORKGROUP) {
                const float3 y = separation(listed(v, here, i), listed(v, here, 0u)) - e.a;
                const float3 z = here.reals(v.reference + 3u * i);
                of_x += y.x * z;
                of_y += y.y * z;
                of_z += y.z * z;
            }
            of_x = workgroup_sum(of_x);
            of_y = workgroup_sum(of_y);
            of_z = workgroup_sum(of_z);
            set_rotation(e, of_x, of_y, of_z);
        }
        float sum = 0.0f;
        for (u32 i = lane; i < n; i += WORKGROUP) {
            const float3 rest = residual(v, here, e, i);
            sum += dot(rest, rest);
        }
        e.value = sqrtf(workgroup_sum(sum) / float(n));
    }
    return e;
}

// Gradient of variable k with respect to a bead of the replica, counted from its first bead.
__device__ inline float3 gradient(u32 k, const Evaluated& e, const Here& here, u32 bead) {
    const Variable v = variable_at(k, here);
    if (v.kind == VARIABLE_DISTANCE) {
        return float_of_bits(table_word(v, here, bead)) * e.a;
    }
    if (v.kind == VARIABLE_CONTACTS) {
        float3 sum = three(0.0f);
        if (bead < v.table_beads) {
            const u32 end = here.variables[v.table + bead + 1u];
            for (u32 entry = here.variables[v.table + bead]; entry < end; entry++) {
                const Contact found = contact_at(v, here, entry);
                sum += found.slope * unit_of(found.between, found.distance);
            }
        }
        return (2.0f / float(v.count)) * sum;
    }
    const u32 number = v.count == 0u ? bead + 1u : table_word(v, here, bead);
    if (number == 0u) {
        return three(0.0f);
    }
    const u32 i = number - 1u;
    const float scale = 1.0f / (float(n_beads_of(v, here)) * fmaxf(e.value, DISTANCE_FLOOR));
    if (v.kind == VARIABLE_ANGLE) {
        const Bend bend = bend_at(v, here);
        return (-1.0f / floored_sine(bend)) * bend_gradient(bend, i);
    } else if (v.kind == VARIABLE_DIHEDRAL) {
        return torsion_gradient(torsion_at(v, here), i);
    } else if (v.kind == VARIABLE_POSITION) {
        return scale * displacement(v, here, i);
    }
    return scale * residual(v, here, e, i);
}
