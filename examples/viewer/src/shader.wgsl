// Draws a replica from the engine's buffers: beads as spheres, bonds as cylinders, and trails.
//
// Spheres and cylinders are rectangles that cover them; the fragment shader intersects the ray through
// each sample with the surface. Eye coordinates have the camera at 0 and −z ahead, Å. Depth is
// near/(−z): 1 at the near plane and 0 far away.

struct View {
    // Linear RGB.
    background: vec4<f32>,
    // Unit quaternion, from the axes of the simulation to those of the camera.
    rotation: vec4<f32>,
    // Pixels.
    size: vec2<f32>,
    focal: f32,
    // Å.
    bead_radius: f32,
    bond_radius: f32,
    // The replica in the engine's buffers.
    replica: u32,
    first_bead: u32,
    n_beads: u32,
    // The frames of the trail are the slots newest, newest − 1, ... modulo slots.
    slots: u32,
    newest: u32,
    n_frames: u32,
    // Whether the radius follows the chain, too.
    fits: u32,
}

// GpuPositions::STRIDE bytes. x = origin + high + low; low is below the last digit of high.
struct Position {
    high: vec4<f32>,
    low: vec4<f32>,
}

// GpuPositions::ORIGIN_STRIDE bytes.
struct Origin {
    at: vec3<f32>,
    rest: array<u32, 5>,
}

// The chain as the camera sees it: its center, counted from the origin, and its radius, Å.
struct Chain {
    center: vec3<f32>,
    radius: f32,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> positions: array<Position>;
@group(0) @binding(2) var<storage, read> origins: array<Origin>;
@group(0) @binding(3) var<storage, read> past_positions: array<Position>;
@group(0) @binding(4) var<storage, read> past_origins: array<Origin>;
@group(0) @binding(5) var<storage, read> chain: Chain;
@group(0) @binding(6) var<storage, read> colors: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> bonds: array<vec2<u32>>;
@group(0) @binding(8) var<storage, read_write> followed: Chain;

// The distance of the camera, and the nearest that it sees, in radii of the chain.
const DISTANCE: f32 = 4.0;
const NEAR: f32 = 0.5;
// Pixels.
const TRAIL_WIDTH: f32 = 3.0;

// ---------------------------------------------------------------------------------- the camera

const LANES: u32 = 256u;
var<workgroup> sums: array<vec3<f32>, LANES>;
var<workgroup> largest: array<f32, LANES>;

// The center is the mean of the positions, and the radius reaches the outermost bead. One workgroup.
@compute @workgroup_size(LANES)
fn follow(@builtin(local_invocation_index) lane: u32) {
    var sum = vec3<f32>(0.0);
    for (var i = lane; i < view.n_beads; i += LANES) {
        sum += positions[view.first_bead + i].high.xyz;
    }
    sums[lane] = sum;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            sums[lane] += sums[lane + half];
        }
    }
    workgroupBarrier();
    let center = sums[0] / f32(view.n_beads);
    var farthest = 0.0;
    for (var i = lane; i < view.n_beads; i += LANES) {
        farthest = max(farthest, distance(positions[view.first_bead + i].high.xyz, center));
    }
    largest[lane] = farthest;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            largest[lane] = max(largest[lane], largest[lane + half]);
        }
    }
    if lane == 0u {
        followed.center = center;
        if view.fits != 0u {
            followed.radius = largest[0] + view.bead_radius;
        }
    }
}

// A point counted from the origin of the replica, in eye coordinates.
fn eye(x: vec3<f32>) -> vec3<f32> {
    let q = view.rotation;
    let v = x - chain.center;
    let rotated = v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v);
    return rotated - vec3<f32>(0.0, 0.0, DISTANCE * chain.radius);
}

fn bead(i: u32) -> vec3<f32> {
    return eye(positions[view.first_bead + i].high.xyz);
}

fn clip(e: vec3<f32>) -> vec4<f32> {
    return vec4<f32>(2.0 * view.focal * e.xy / view.size, NEAR * chain.radius, -e.z);
}

fn depth(e: vec3<f32>) -> f32 {
    return NEAR * chain.radius / -e.z;
}

// ---------------------------------------------------------------------------------- the light

struct Shaded {
    @location(0) color: vec4<f32>,
    @builtin(frag_depth) depth: f32,
}

// A surface at e, lit from above on the left. It is darker toward its edge, which tells it from what
// is behind, and paler with the distance.
fn shaded(color: vec3<f32>, e: vec3<f32>, normal: vec3<f32>) -> Shaded {
    let to_eye = normalize(-e);
    let light = normalize(vec3<f32>(-0.5, 0.7, 0.8));
    let diffuse = max(dot(normal, light), 0.0);
    let gloss = 0.2 * pow(max(dot(normal, normalize(light + to_eye)), 0.0), 50.0);
    let edge = smoothstep(0.0, 0.6, dot(normal, to_eye));
    let lit = color * (0.4 + 0.6 * diffuse) * (0.35 + 0.65 * edge) + vec3<f32>(gloss);
    return Shaded(vec4<f32>(faded(lit, e), 1.0), depth(e));
}

fn faded(color: vec3<f32>, e: vec3<f32>) -> vec3<f32> {
    let behind = 0.5 * (-e.z / chain.radius - (DISTANCE - 1.0));
    return mix(color, view.background.rgb, 0.6 * clamp(behind, 0.0, 1.0));
}

// ---------------------------------------------------------------------------------- beads

struct Bead {
    @builtin(position) clip: vec4<f32>,
    // Evaluated in each sample, so that outlines are smooth.
    @location(0) @interpolate(perspective, sample) ray: vec3<f32>,
    @location(1) @interpolate(flat) center: vec3<f32>,
    @location(2) @interpolate(flat) color: vec3<f32>,
}

fn corner(vertex: u32) -> vec2<f32> {
    return vec2<f32>(f32(vertex & 1u), f32(vertex >> 1u)) * 2.0 - 1.0;
}

@vertex
fn bead_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Bead {
    let center = bead(i);
    // A square through the center that faces the eye. The cone of rays that touch the sphere cuts its
    // plane in a circle of this radius.
    let ahead = normalize(center);
    let right = normalize(cross(ahead, vec3<f32>(0.0, 1.0, 0.0)));
    let d2 = dot(center, center);
    let r = view.bead_radius;
    let radius = r * sqrt(d2 / max(d2 - r * r, 1e-6));
    let at = radius * corner(vertex);
    let e = center + at.x * right + at.y * cross(right, ahead);
    return Bead(clip(e), e, center, colors[i].rgb);
}

@fragment
fn bead_fragment(in: Bead) -> Shaded {
    let ray = normalize(in.ray);
    let along = dot(ray, in.center);
    let off = in.center - along * ray;
    let inside = view.bead_radius * view.bead_radius - dot(off, off);
    if inside < 0.0 {
        discard;
    }
    let e = ray * (along - sqrt(inside));
    return shaded(in.color, e, (e - in.center) / view.bead_radius);
}

// ---------------------------------------------------------------------------------- bonds

struct Bond {
    @builtin(position) clip: vec4<f32>,
    @location(0) @interpolate(perspective, sample) ray: vec3<f32>,
    @location(1) @interpolate(flat) first: vec3<f32>,
    @location(2) @interpolate(flat) last: vec3<f32>,
    @location(3) @interpolate(flat) first_color: vec3<f32>,
    @location(4) @interpolate(flat) last_color: vec3<f32>,
}

@vertex
fn bond_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Bond {
    let beads = bonds[i];
    let first = bead(beads.x);
    let last = bead(beads.y);
    let at = corner(vertex);
    let end = select(first, last, at.x > 0.0);
    // A rectangle along the axis that faces the eye. A bond toward the eye is behind its bead.
    let side = normalize(cross(last - first, end));
    let e = end + 1.05 * view.bond_radius * at.y * side;
    return Bond(clip(e), e, first, last, colors[beads.x].rgb, colors[beads.y].rgb);
}

@fragment
fn bond_fragment(in: Bond) -> Shaded {
    let ray = normalize(in.ray);
    let axis = normalize(in.last - in.first);
    // Ray and first end without their parts along the axis: the ray is inside where
    // |t ray − first| < radius.
    let across = ray - dot(ray, axis) * axis;
    let first = in.first - dot(in.first, axis) * axis;
    let a = max(dot(across, across), 1e-12);
    let closest = dot(across, first) / a;
    let off = closest * across - first;
    let inside = view.bond_radius * view.bond_radius - dot(off, off);
    if inside < 0.0 {
        discard;
    }
    let e = ray * (closest - sqrt(inside / a));
    let along = dot(e - in.first, axis);
    let place = along / distance(in.first, in.last);
    if place < 0.0 || place > 1.0 {
        discard;
    }
    let normal = (e - in.first - along * axis) / view.bond_radius;
    return shaded(mix(in.first_color, in.last_color, place), e, normal);
}

// ---------------------------------------------------------------------------------- trails

struct Trail {
    @builtin(position) clip: vec4<f32>,
    @location(0) color: vec4<f32>,
}

// Bead i `age` frames ago. The origin of the replica may have moved since.
fn past(i: u32, age: u32) -> vec3<f32> {
    let slot = (view.newest + view.slots - age) % view.slots;
    let x = past_positions[slot * view.n_beads + i].high.xyz;
    return eye(x + (past_origins[slot].at - origins[view.replica].at));
}

fn pixel(e: vec3<f32>) -> vec2<f32> {
    return view.focal * e.xy / -e.z;
}

// A strip of two vertices for each frame.
@vertex
fn trail_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Trail {
    let age = vertex / 2u;
    let oldest = view.n_frames - 1u;
    let e = past(i, age);
    let direction = pixel(past(i, max(age, 1u) - 1u)) - pixel(past(i, min(age + 1u, oldest)));
    let along = direction / max(length(direction), 1e-6);
    let left = 1.0 - f32(age) / f32(oldest);
    let side = f32(vertex & 1u) - 0.5;
    let shift = side * TRAIL_WIDTH * (0.4 + 0.6 * left) * vec2<f32>(-along.y, along.x);
    var at = clip(e);
    at += vec4<f32>(2.0 * shift / view.size * at.w, 0.0, 0.0);
    return Trail(at, vec4<f32>(faded(0.8 * colors[i].rgb, e), 0.8 * left));
}

@fragment
fn trail_fragment(in: Trail) -> @location(0) vec4<f32> {
    return in.color;
}
