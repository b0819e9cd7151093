"""The teacher of the demonstration model: a structure-based potential of a WW domain.

Energy in kcal/mol, lengths in Å, times in ps, masses in amu/418.4. One bead per residue, at CA.

  bond       K_BOND (r - R_BOND)²                            neighbors in the chain
  angle      K_ANGLE (cos θ - COS_ANGLE)² + K_SINE / sin²θ   the same for all residues
  dihedral   -K_DIHEDRAL cos(φ - φ0)                         φ0 is the native dihedral
  repulsion  (SIGMA / r)⁶                                    all pairs with |i - j| > 2
  contacts   -DEPTH/2 Σ_i n_i² / N_i                         cooperative

The native contacts are the pairs with |i - j| > 3 that are nearer than CONTACT_CUTOFF, at distances
r0. c(r) = (1 - ((r - r0)/WIDTH)²)³ for |r - r0| < WIDTH, else 0. It is 1 at the native distance,
has two continuous derivatives, and its range ends within CUTOFF. n_i = Σ_j c_ij is the number of
contacts that bead i has formed, and N_i the number that it has in the native structure. The more
contacts a bead has formed, the more it gains from another one. This many-body energy makes folding
cooperative, so that the protein has two states.

The first four terms are the priors of the model. The contacts alone are the labels of the network.
The dihedrals distinguish the native structure from its mirror image, which distances cannot.

  teacher.py data FILE.npz [FRAMES]   conformations with energies and forces for train.py
  teacher.py melt FILE.json [FRAMES]  replica exchange: melting curve and temperatures
  teacher.py fold KELVIN              chains that start extended: Q, and how many fold when

FRAMES is the number at each of 16 temperatures: by default 2,500 for data, and 4,000 for melt.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from analysis import BOLTZMANN, Melting, folding

CUTOFF = 10.0

K_BOND, R_BOND = 20.0, 3.81
K_ANGLE, COS_ANGLE, K_SINE = 4.0, -0.34, 0.4
K_DIHEDRAL = 1.0
SIGMA = 4.0
CONTACT_CUTOFF = 8.0
WIDTH = 2.0
DEPTH = 1.13
MASS = 110.0 / 418.4
TIME_STEP, FRICTION = 0.02, 0.5
N_CONTACT_ARGUMENTS = 5


@dataclass
class Teacher:
    """The native structure and the parameters of each tuple."""

    native: np.ndarray
    contacts: np.ndarray  # (n, 2)
    distances: np.ndarray  # (n)
    coordination: np.ndarray  # (N): native contacts of each bead
    depth: float
    width: float
    dihedrals: np.ndarray  # (N - 3, 2): k1, k2
    repelling: np.ndarray  # (n, 2)
    sigma: float

    def arguments(self):
        """Those of total_forces; the contacts are the first N_CONTACT_ARGUMENTS."""
        return (self.contacts, self.distances, self.coordination, self.depth, self.width,
                self.dihedrals, self.repelling, self.sigma)


def read_ca(path, first=None, last=None):
    """Residue names and positions of the CA atoms of a PDB file."""
    names, positions = [], []
    for line in Path(path).read_text().splitlines():
        if line.startswith("ENDMDL"):
            break
        if line[:6] in ("ATOM  ", "HETATM") and line[12:16].strip() == "CA":
            number = int(line[22:26])
            if (first is None or number >= first) and (last is None or number <= last):
                names.append(line[17:20])
                positions.append([float(line[i:i + 8]) for i in (30, 38, 46)])
    return names, np.array(positions)


def dihedral_angles(x):
    b = x[1:] - x[:-1]
    m, n = np.cross(b[:-2], b[1:-1]), np.cross(b[1:-1], b[2:])
    middle = np.linalg.norm(b[1:-1], axis=-1)
    return np.arctan2(middle * (b[:-2] * n).sum(-1), (m * n).sum(-1))


def make_teacher(native, depth=DEPTH, width=WIDTH, k_dihedral=K_DIHEDRAL, sigma=SIGMA):
    i, j = np.triu_indices(len(native), 4)
    r = np.linalg.norm(native[i] - native[j], axis=-1)
    pairs = np.stack([i, j], 1)
    is_contact = r < CONTACT_CUTOFF
    near, far = pairs[is_contact], pairs[~is_contact]
    i, j = np.triu_indices(len(native), 3)
    repelling = np.stack([i, j], 1)
    phi = dihedral_angles(native)
    dihedrals = -k_dihedral * np.stack([np.sin(phi), np.cos(phi)], 1)
    coordination = np.maximum(np.bincount(near.ravel(), minlength=len(native)), 1).astype(float)
    return Teacher(native, near, r[is_contact], coordination, depth, width, dihedrals,
                   repelling, sigma)


@numba.njit(fastmath=True, error_model="numpy")
def prior_forces(x, f, dihedrals, repelling, sigma):
    """Energy of the priors; adds their forces to f."""
    n = len(x)
    energy = 0.0
    for i in range(n - 1):
        a0, a1, a2 = x[i + 1, 0] - x[i, 0], x[i + 1, 1] - x[i, 1], x[i + 1, 2] - x[i, 2]
        r = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
        energy += K_BOND * (r - R_BOND) ** 2
        s = 2 * K_BOND * (r - R_BOND) / r
        for c, a in ((0, a0), (1, a1), (2, a2)):
            f[i, c] += s * a
            f[i + 1, c] -= s * a
    for i in range(n - 2):
        # The arms from the middle bead.
        a0, a1, a2 = x[i, 0] - x[i + 1, 0], x[i, 1] - x[i + 1, 1], x[i, 2] - x[i + 1, 2]
        b0, b1, b2 = x[i + 2, 0] - x[i + 1, 0], x[i + 2, 1] - x[i + 1, 1], x[i + 2, 2] - x[i + 1, 2]
        aa, bb = a0 * a0 + a1 * a1 + a2 * a2, b0 * b0 + b1 * b1 + b2 * b2
        ab = np.sqrt(aa * bb)
        cosine = (a0 * b0 + a1 * b1 + a2 * b2) / ab
        sine2 = 1 - cosine * cosine
        energy += K_ANGLE * (cosine - COS_ANGLE) ** 2 + K_SINE / sine2
        s = 2 * K_ANGLE * (cosine - COS_ANGLE) + 2 * K_SINE * cosine / (sine2 * sine2)
        for c, a, b in ((0, a0, b0), (1, a1, b1), (2, a2, b2)):
            ga = s * (b / ab - cosine * a / aa)
            gb = s * (a / ab - cosine * b / bb)
            f[i, c] -= ga
            f[i + 2, c] -= gb
            f[i + 1, c] += ga + gb
    for i in range(n - 3):
        a0, a1, a2 = x[i + 1, 0] - x[i, 0], x[i + 1, 1] - x[i, 1], x[i + 1, 2] - x[i, 2]
        b0, b1, b2 = x[i + 2, 0] - x[i + 1, 0], x[i + 2, 1] - x[i + 1, 1], x[i + 2, 2] - x[i + 1, 2]
        c0, c1, c2 = x[i + 3, 0] - x[i + 2, 0], x[i + 3, 1] - x[i + 2, 1], x[i + 3, 2] - x[i + 2, 2]
        m0, m1, m2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
        n0, n1, n2 = b1 * c2 - b2 * c1, b2 * c0 - b0 * c2, b0 * c1 - b1 * c0
        bb = b0 * b0 + b1 * b1 + b2 * b2
        b = np.sqrt(bb)
        mm, nn = m0 * m0 + m1 * m1 + m2 * m2, n0 * n0 + n1 * n1 + n2 * n2
        root = np.sqrt(mm * nn)
        sine = b * (a0 * n0 + a1 * n1 + a2 * n2) / root
        cosine = (m0 * n0 + m1 * n1 + m2 * n2) / root
        k1, k2 = dihedrals[i, 0], dihedrals[i, 1]
        energy += k1 * sine + k2 * cosine
        s = k1 * cosine - k2 * sine
        p = (a0 * b0 + a1 * b1 + a2 * b2) / bb
        q = (c0 * b0 + c1 * b1 + c2 * b2) / bb
        for c, mc, nc in ((0, m0, n0), (1, m1, n1), (2, m2, n2)):
            first = -s * b / mm * mc
            last = s * b / nn * nc
            f[i, c] -= first
            f[i + 3, c] -= last
            f[i + 1, c] -= -(1 + p) * first + q * last
            f[i + 2, c] -= -(1 + q) * last + p * first
    sigma2 = sigma * sigma
    for t in range(len(repelling)):
        i, j = repelling[t, 0], repelling[t, 1]
        a0, a1, a2 = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], x[j, 2] - x[i, 2]
        rr = a0 * a0 + a1 * a1 + a2 * a2
        u = (sigma2 / rr) ** 3
        energy += u
        s = -6 * u / rr
        for c, a in ((0, a0), (1, a1), (2, a2)):
            f[i, c] += s * a
            f[j, c] -= s * a
    return energy


@numba.njit(fastmath=True, error_model="numpy")
def contact_forces(x, f, contacts, distances, coordination, depth, width):
    """Energy of the native contacts; adds their forces to f."""
    n = np.zeros(len(x))
    value, slope = np.zeros(len(contacts)), np.zeros(len(contacts))
    for t in range(len(contacts)):
        i, j = contacts[t, 0], contacts[t, 1]
        rr = (x[j, 0] - x[i, 0]) ** 2 + (x[j, 1] - x[i, 1]) ** 2 + (x[j, 2] - x[i, 2]) ** 2
        if rr < (distances[t] + width) ** 2:
            r = np.sqrt(rr)
            y = (r - distances[t]) / width
            if y > -1:
                w = 1 - y * y
                value[t] = w * w * w
                slope[t] = -6 * w * w * y / (width * r)
                n[i] += value[t]
                n[j] += value[t]
    energy = 0.0
    for i in range(len(x)):
        energy -= 0.5 * depth * n[i] * n[i] / coordination[i]
    for t in range(len(contacts)):
        if slope[t] != 0:
            i, j = contacts[t, 0], contacts[t, 1]
            s = depth * (n[i] / coordination[i] + n[j] / coordination[j]) * slope[t]
            for c in range(3):
                f[i, c] -= s * (x[j, c] - x[i, c])
                f[j, c] += s * (x[j, c] - x[i, c])
    return energy


@numba.njit(fastmath=True, error_model="numpy")
def total_forces(x, f, contacts, distances, coordination, depth, width, dihedrals, repelling,
                 sigma):
    f[:] = 0
    energy = prior_forces(x, f, dihedrals, repelling, sigma)
    return energy + contact_forces(x, f, contacts, distances, coordination, depth, width)


@numba.njit(fastmath=True)
def native_fraction(x, contacts, distances):
    """Q of Best, Hummer and Eaton with beta 5/Å and lambda 1.2, as flashschnet defines it."""
    total = 0.0
    for t in range(len(contacts)):
        i, j = contacts[t, 0], contacts[t, 1]
        r = np.sqrt(((x[j] - x[i]) ** 2).sum())
        total += 1 / (1 + np.exp(5 * (r - 1.2 * distances[t])))
    return total / len(contacts)


@numba.njit(parallel=True, fastmath=True)
def advance(x, v, kt, n_steps, dt, friction, seed, contacts, distances, coordination, depth, width,
            dihedrals, repelling, sigma):
    """BAOAB steps of all replicas; returns energies and Q at the end."""
    n_replicas, n, _ = x.shape
    energies, fractions = np.empty(n_replicas), np.empty(n_replicas)
    decay = np.exp(-friction * dt)
    for r in numba.prange(n_replicas):
        np.random.seed(seed + r)
        noise = np.sqrt((1 - decay * decay) * kt[r] / MASS)
        f = np.zeros((n, 3))
        xr, vr = x[r], v[r]
        energy = total_forces(xr, f, contacts, distances, coordination, depth, width, dihedrals,
                              repelling, sigma)
        half = 0.5 * dt
        for _ in range(n_steps):
            for i in range(n):
                for c in range(3):
                    u = vr[i, c] + half / MASS * f[i, c]
                    y = xr[i, c] + half * u
                    u = decay * u + noise * np.random.standard_normal()
                    xr[i, c] = y + half * u
                    vr[i, c] = u
            energy = total_forces(xr, f, contacts, distances, coordination, depth, width,
                                  dihedrals, repelling, sigma)
            for i in range(n):
                for c in range(3):
                    vr[i, c] += half / MASS * f[i, c]
        energies[r] = energy
        fractions[r] = native_fraction(xr, contacts, distances)
    return energies, fractions


def extended(n):
    """A planar zigzag chain with bond angles of 120 degrees."""
    x = np.zeros((n, 3))
    x[:, 0] = R_BOND * np.sin(np.pi / 3) * np.arange(n)
    x[:, 1] = R_BOND * 0.5 * (np.arange(n) % 2)
    x[:, 2] = 0.05 * np.cos(1.7 * np.arange(n))
    return x - x.mean(0)


def start_velocities(rng, kt, n):
    return rng.standard_normal((len(kt), n, 3)) * np.sqrt(kt / MASS)[:, None, None]


class ReplicaExchange:
    """Replicas at a ladder of temperatures whose neighbors exchange."""

    def __init__(self, teacher, temperatures, x, seed):
        self.teacher, self.temperatures = teacher, np.asarray(temperatures, float)
        self.kt = BOLTZMANN * self.temperatures
        self.rng = np.random.default_rng(seed)
        self.round = 0
        self.x = np.array(x, float)
        self.v = start_velocities(self.rng, self.kt, self.x.shape[1])
        self.walker = np.arange(len(self.kt))
        self.accepted = np.zeros(len(self.kt) - 1)

    def advance(self, n_steps, exchange=True):
        seed = int(self.rng.integers(2**31))
        energies, fractions = advance(self.x, self.v, self.kt, n_steps, TIME_STEP, FRICTION, seed,
                                      *self.teacher.arguments())
        result = energies.copy(), fractions, self.x.copy()
        if exchange:
            for a in range(self.round % 2, len(self.kt) - 1, 2):
                b = a + 1
                log = (1 / self.kt[a] - 1 / self.kt[b]) * (energies[a] - energies[b])
                if np.log(self.rng.random()) < log:
                    self.accepted[a] += 1
                    scale = np.sqrt(self.kt[a] / self.kt[b])
                    self.x[[a, b]] = self.x[[b, a]]
                    self.v[[a, b]] = self.v[[b, a]]
                    self.v[a] *= scale
                    self.v[b] /= scale
                    self.walker[[a, b]] = self.walker[[b, a]]
            self.round += 1
        return result


HERE = Path(__file__).parent
NATIVE = HERE / "ww_domain_ca.pdb"
LADDER = np.geomspace(310, 430, 16)


def load_teacher():
    return make_teacher(read_ca(NATIVE)[1])


def sample(teacher, temperatures, n_frames, interval, discard, seed):
    """Replica exchange from folded and extended chains in turn.

    Returns frames (n, temperatures, beads, 3), energies and Q."""
    native = teacher.native - teacher.native.mean(0)
    starts = [native if k % 2 else extended(len(native)) for k in range(len(temperatures))]
    exchange = ReplicaExchange(teacher, temperatures, starts, seed=seed)
    kept = []
    for k in range(n_frames + discard):
        energies, fractions, x = exchange.advance(interval)
        if k >= discard:
            kept.append((x - x.mean(1, keepdims=True), energies, fractions))
    return [np.array(part) for part in zip(*kept)]


def labels(teacher, frames):
    """Energy of the contacts, their forces, and all forces."""
    energies = np.empty(len(frames))
    network, total = np.zeros(frames.shape), np.zeros(frames.shape)
    arguments = teacher.arguments()
    for k, x in enumerate(frames):
        energies[k] = contact_forces(x, network[k], *arguments[:N_CONTACT_ARGUMENTS])
        total_forces(x, total[k], *arguments)
    return energies, network, total


def training_frames(teacher, temperatures, n_frames, interval, seed):
    """Frames of replica exchange, a sixth of them perturbed by noise of up to 0.3 Å, and of
    chains that start to fold."""
    rng = np.random.default_rng(seed)
    n = len(teacher.native)
    frames = sample(teacher, temperatures, n_frames, interval, 20, seed)[0].reshape(-1, n, 3)
    some = rng.permutation(len(frames))[: len(frames) // 6]
    width = rng.uniform(0.05, 0.3, (len(some), 1, 1))
    frames[some] += width * rng.standard_normal(frames[some].shape)
    starts = ReplicaExchange(teacher, [300.0] * 32, [extended(n)] * 32, seed=seed + 1)
    folding = [starts.advance(interval // 2, exchange=False)[2] for _ in range(n_frames // 20)]
    return np.concatenate([frames, np.concatenate(folding), extended(n)[None]])


def make_data(path, n_frames=2500, interval=1000):
    """Frames for training, validation and the final test, each from a run with its own seed.

    The training temperatures reach beyond both ends of the ladder of the other two."""
    teacher = load_teacher()

    def held_out(seed):
        frames = sample(teacher, LADDER, 250, interval, 40, seed)[0]
        return frames.reshape(-1, *teacher.native.shape)

    wide = np.geomspace(250, 500, 16)
    sets = {"train": lambda: training_frames(teacher, wide, int(n_frames), interval, 1),
            "validation": lambda: held_out(2), "test": lambda: held_out(4)}
    arrays = {}
    for name, make in sets.items():
        frames = make()
        frames = frames - frames.mean(1, keepdims=True)
        arrays[f"{name}_x"] = frames.astype(np.float32)
        energies, network, total = labels(teacher, arrays[f"{name}_x"].astype(float))
        arrays[f"{name}_energy"] = energies
        arrays[f"{name}_force"] = network.astype(np.float32)
        arrays[f"{name}_total"] = total.astype(np.float32)
        of_labels, of_all = (np.sqrt((f**2).mean()) for f in (network, total))
        print(f"{name}: {len(frames)} frames, rms of labels {of_labels:.3f}, "
              f"of all forces {of_all:.3f}", flush=True)
    np.savez(path, **arrays)


def melt(path, n_frames=4000, interval=1000):
    _, energies, fractions = sample(load_teacher(), LADDER, int(n_frames), interval, 400, 17)
    result = Melting(LADDER, energies, fractions)
    result.print()
    made = f"teacher.py melt: {n_frames} frames of each temperature, {interval} steps apart"
    Path(path).write_text(json.dumps({"made_by": made} | result.table(), indent=1) + "\n")


def fold(temperature, n_replicas=64, n_frames=160, interval=500):
    """Chains that start extended, with the dynamics of fold.toml."""
    teacher = load_teacher()
    starts = [extended(len(teacher.native))] * n_replicas
    temperatures = [float(temperature)] * n_replicas
    chains = ReplicaExchange(teacher, temperatures, starts, 23)
    q = np.array([chains.advance(interval, exchange=False)[1] for _ in range(n_frames)])
    print(folding(q, interval * TIME_STEP))


COMMANDS = {"data": make_data, "melt": melt, "fold": fold}


def main():
    command, *arguments = sys.argv[1:]
    COMMANDS[command](*arguments)


if __name__ == "__main__":
    main()
