"""The checks of tests/long/packages."""

import glob
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager

import MDAnalysis as mda
import mdtraj as md
import numpy as np
import pandas as pd
from MDAnalysis.lib.formats.libdcd import DCDFile

from systems import system

PROGRAM = os.environ["FLASHSCHNET"]
# kcal/mol of 1 amu Å²/ps².
KCAL = 1.0 / 418.4
# CHARMM's unit of time, ps.
AKMA = 0.04888821
DT = 0.004
# XTC rounds to 0.01 Å.
XTC_ERROR = 0.005
F32 = 2.0**-23

# MDAnalysis announces a change of its own interface whenever it opens a DCD file.
ACCEPTED = ["DCDReader currently makes independent timesteps"]

# The built-in system. One-letter codes, the residues of these codes, and the beads of a residue.
SEQUENCE = "MKTLEAVNSIRDFAEHLPQYKVWTGSADELIRKNCQAVFMSPEYTHLRKADVIN"
CODES = dict(zip("ACDEFGHIKLMNPQRSTVWY", (
    "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR"
).split()))
MASSES = {"N": 14.0, "C": 12.0, "O": 16.0}

failures = []
n_checks = 0


def check(good, what):
    global n_checks
    n_checks += 1
    if not good:
        failures.append(what)
        print(f"FAILED  {what}")


def equal(found, expected, what):
    check(found == expected, f"{what}: found {found!s:.200}, expected {expected!s:.200}")


def close(found, expected, error, what):
    """Compares arrays of one shape, with a largest error that may be an array too."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        equal(found.shape, expected.shape, f"{what}, shape")
        return
    difference = np.abs(found - expected)
    # NaN fails the comparison.
    good = difference.size > 0 and bool(np.all(difference <= error))
    check(good, f"{what}: differs by up to {np.max(difference, initial=0.0)}")


@contextmanager
def silence(what, accepted=()):
    """Checks that there are no Python warnings, and none of the C code on stdout and stderr."""
    sys.stdout.flush()
    with tempfile.TemporaryFile() as said, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        streams = [(fd, os.dup(fd)) for fd in (1, 2)]
        for fd, _ in streams:
            os.dup2(said.fileno(), fd)
        try:
            yield
        finally:
            for fd, saved in streams:
                os.dup2(saved, fd)
                os.close(saved)
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
    texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    texts += [line for line in lines if "warning" in line.lower() or "error" in line.lower()]
    texts = [text for text in texts if not any(part in text for part in [*ACCEPTED, *accepted])]
    equal(texts, [], f"{what}, warnings")


def arguments(**options):
    texts = [f"--{key.replace('_', '-')}={value}" for key, value in options.items() if value != ""]
    return texts + [f"--{key.replace('_', '-')}" for key, value in options.items() if value == ""]


def run(folder, name, files, **options):
    """Runs the program. Returns the output folder."""
    output = os.path.join(folder, name)
    command = [PROGRAM, "run", "--backend=cpu", *files, *arguments(dt=DT, **options), "-o", output]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    return output


def names(folder, pattern):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(folder, pattern)))


class Expected:
    """The molecule of a run: names of atoms, residue and residue number of each, and bonds."""

    def __init__(self, atoms, residue_of, residues, bonds, has_bonds=True):
        self.atoms, self.residue_of, self.residues = atoms, residue_of, residues
        self.bonds = sorted({tuple(sorted(bond)) for bond in bonds}) if has_bonds else []

    @staticmethod
    def builtin():
        atoms, residue_of, bonds, last = [], [], [], None
        for r, letter in enumerate(SEQUENCE):
            here = {}
            for name in ["N", "CA", "C", "O"] if letter == "G" else ["N", "CA", "CB", "C", "O"]:
                here[name] = len(atoms)
                atoms.append(name)
                residue_of.append(r)
            pairs = [("N", "CA"), ("CA", "CB"), ("CA", "C"), ("C", "O")]
            bonds += [(here[a], here[b]) for a, b in pairs if b in here]
            bonds += [(last, here["N"])] if last is not None else []
            last = here["C"]
        return Expected(atoms, residue_of, [CODES[letter] for letter in SEQUENCE], bonds)

    @staticmethod
    def unknown(n, bonds, has_bonds=True):
        """Beads of no known type."""
        return Expected(["CA"] * n, list(range(n)), ["UNK"] * n, bonds, has_bonds)


def both_bonds(universe, top, expected, what):
    """The bonds of a PDB file in both packages."""
    bonds = universe.bonds.indices if hasattr(universe, "bonds") else []
    found = sorted(tuple(sorted((int(a), int(b)))) for a, b in bonds)
    equal(found, expected, f"MDAnalysis, {what}, bonds")
    found = sorted(tuple(sorted((a.index, b.index))) for a, b in top.bonds)
    equal(found, expected, f"MDTraj, {what}, bonds")


def topology(path, expected, positions=None):
    """The atoms, residues, chains and bonds of a PDB file in both packages. Returns MDTraj's
    topology."""
    what = os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))
    elements = [name[0] for name in expected.atoms]
    numbers = [r + 1 for r in range(len(expected.residues))]
    with silence(f"MDAnalysis, {what}"):
        universe = mda.Universe(path)
    atoms = universe.atoms
    equal(list(atoms.names), expected.atoms, f"MDAnalysis, {what}, atoms")
    equal([str(e) for e in atoms.elements], elements, f"MDAnalysis, {what}, elements")
    equal(list(universe.residues.resnames), expected.residues, f"MDAnalysis, {what}, residues")
    equal([int(n) for n in universe.residues.resids], numbers, f"MDAnalysis, {what}, numbers")
    equal([int(n) for n in atoms.resindices], expected.residue_of, f"MDAnalysis, {what}, residues of atoms")
    equal(set(atoms.chainIDs), {"A"}, f"MDAnalysis, {what}, chains")
    equal(universe.segments.n_segments, 1, f"MDAnalysis, {what}, segments")
    equal(universe.dimensions, None, f"MDAnalysis, {what}, box")
    with silence(f"MDTraj, {what}"):
        loaded = md.load(path)
    top = loaded.topology
    equal([atom.name for atom in top.atoms], expected.atoms, f"MDTraj, {what}, atoms")
    equal([atom.element.symbol for atom in top.atoms], elements, f"MDTraj, {what}, elements")
    equal([residue.name for residue in top.residues], expected.residues, f"MDTraj, {what}, residues")
    equal([a.residue.index for a in top.atoms], expected.residue_of, f"MDTraj, {what}, residues of atoms")
    equal(top.n_chains, 1, f"MDTraj, {what}, chains")
    both_bonds(universe, top, expected.bonds, what)
    equal(loaded.unitcell_vectors, None, f"MDTraj, {what}, box")
    if positions is not None:
        close(atoms.positions, positions, 0.00051, f"MDAnalysis, {what}, positions")
        close(10.0 * loaded.xyz[0], positions, 0.00051, f"MDTraj, {what}, positions")
    return top


def trajectory(folder, pdb, top, name, steps, positions, accepted=()):
    """The frames of a trajectory in both packages against steps and positions from other files."""
    what, path = os.path.join(os.path.basename(folder), name), os.path.join(folder, name)
    is_dcd = name.endswith(".dcd")
    steps, n = np.asarray(steps), len(steps)
    times = DT * steps
    if is_dcd:
        # The header has the first step and one interval.
        every = int(steps[1] - steps[0]) if n > 1 else int(steps[0])
        times = DT * (steps[0] + every * np.arange(n))
    rounding = F32 * np.abs(positions) + 1e-7
    error = 4 * rounding if is_dcd or positions.shape[1] <= 9 else XTC_ERROR + 4 * rounding
    with silence(f"MDAnalysis, {what}", accepted):
        universe = mda.Universe(pdb, path)
        frames = [(ts.time, ts.positions.copy(), ts.dimensions) for ts in universe.trajectory]
        n_frames, dt = universe.trajectory.n_frames, universe.trajectory.dt
        counted = [] if is_dcd else [int(ts.data["step"]) for ts in universe.trajectory]
    equal(n_frames, n, f"MDAnalysis, {what}, frames")
    close([time for time, _, _ in frames], times, 1e-6 * times, f"MDAnalysis, {what}, times")
    close([x for _, x, _ in frames], positions, error, f"MDAnalysis, {what}, positions")
    equal({box is None for _, _, box in frames}, {True}, f"MDAnalysis, {what}, no box")
    if n > 1:
        close([dt], [times[1] - times[0]], 1e-5 * dt, f"MDAnalysis, {what}, time step")
    if is_dcd:
        check(np.array_equal([x for _, x, _ in frames], positions), f"MDAnalysis, {what}, bits")
        with DCDFile(path) as file:
            header = file.header
        found = [header["natoms"], header["istart"], header["nsavc"], header["is_periodic"]]
        equal(found, [positions.shape[1], steps[0], every, 0], f"{what}, header")
        close([header["delta"] * AKMA], [DT], 1e-6 * DT, f"{what}, time step of the header")
    else:
        equal(counted, steps.tolist(), f"MDAnalysis, {what}, steps")
    with silence(f"MDTraj, {what}", accepted):
        loaded = md.load(path, top=top)
    equal(loaded.n_frames, n, f"MDTraj, {what}, frames")
    close(10.0 * loaded.xyz, positions, error, f"MDTraj, {what}, positions")
    equal(loaded.unitcell_vectors, None, f"MDTraj, {what}, box")
    # MDTraj reads no times from a DCD file, and counts its frames.
    if not is_dcd:
        close(loaded.time, times, 1e-6 * times, f"MDTraj, {what}, times")


def arrays(folder, quantity):
    """The blocks of a quantity, joined along the axis of frames."""
    paths = sorted(glob.glob(os.path.join(folder, f"run_{quantity}_*.npy")))
    numbers = [f"run_{quantity}_{k:04}.npy" for k in range(len(paths))]
    equal([os.path.basename(path) for path in paths], numbers, f"{folder}, {quantity}, blocks")
    blocks = [np.load(path) for path in paths]
    for block in blocks:
        equal(block.dtype, np.float32, f"{folder}, {quantity}, type")
    for block in blocks[:-1]:
        equal(block.shape[1], 100, f"{folder}, {quantity}, frames of a full block")
    return np.concatenate(blocks, axis=1)


def energies(folder, steps, n_replicas, masses, terms):
    """The table of energies against the arrays. Returns the table."""
    what = os.path.basename(folder)
    with silence(f"pandas, {what}"):
        table = pd.read_csv(os.path.join(folder, "energies.csv"))
    state = ["state"] if "state" in table.columns else []
    of_energies = ["potential_kcal_per_mol", "kinetic_kcal_per_mol", "temperature_K"]
    of_terms = [f"{term}_kcal_per_mol" for term in terms]
    columns = ["step", "time_ps", "replica", *state, *of_energies, *of_terms]
    equal(list(table.columns), columns, f"{what}, columns")
    equal(table["step"].tolist(), np.repeat(steps, n_replicas).tolist(), f"{what}, steps")
    close(table["time_ps"], DT * table["step"], 1e-6, f"{what}, times")
    equal(table["replica"].tolist(), list(range(n_replicas)) * len(steps), f"{what}, replicas")

    def column(name):
        return table[name].to_numpy().reshape(len(steps), n_replicas).T

    def agree(quantity, found, expected):
        close(found, expected, 1e-6 + F32 * np.abs(expected), f"{what}, {quantity}")

    potential, kinetic = column(of_energies[0]), column(of_energies[1])
    agree("potential", arrays(folder, "potential"), potential)
    agree("kineticenergy", arrays(folder, "kineticenergy"), kinetic)
    shape = (n_replicas, len(steps), len(masses), 3)
    for quantity in ("coords", "velocities", "forces"):
        values = arrays(folder, quantity)
        equal(values.shape, shape, f"{what}, shape of {quantity}")
        check(np.isfinite(values).all() and values.any(axis=(2, 3)).all(), f"{what}, {quantity}")
    velocities = arrays(folder, "velocities").astype(np.float64)
    of_velocities = 0.5 * KCAL * (masses[:, None] * velocities**2).sum(axis=(2, 3))
    close(of_velocities, kinetic, 1e-6 * kinetic + 1e-6, f"{what}, kinetic energy of velocities")
    components = arrays(folder, "energy_components")
    agree("energy_components", components, np.stack([column(name) for name in of_terms], axis=-1))
    size = np.abs(components).sum(axis=2)
    # The table has six decimals.
    error = 1e-6 + 1e-6 * size
    close(components.sum(axis=2, dtype=np.float64), potential, error, f"{what}, sum of terms")
    return table


BUILTIN_TERMS = (
    "SchNet bonds angles phi psi pro_omega non_pro_omega gamma_1 gamma_2 non_bonded"
).split()
ALL = dict(npy="", velocities="", forces="", terms="")


def builtin(folder):
    expected = Expected.builtin()
    masses = np.array([MASSES[name[0]] for name in expected.atoms])
    cases = [
        ("xtc", dict(format="xtc", npy=""), 24),
        ("dcd", dict(format="dcd", npy=""), 24),
        ("both", dict(format="both", **ALL), 24),
        ("one_frame", dict(format="both", **ALL), 8),
        ("short_end", dict(format="both", **ALL), 21),
        ("equilibrated", dict(format="both", equilibration_steps=19, **ALL), 40),
    ]
    for name, options, last in cases:
        output = run(folder, name, ["--builtin"], replicas=2, steps=last, save_interval=8, **options)
        begin = options.get("equilibration_steps", 0)
        steps = [step for step in range(1, last + 1) if step > begin and (step % 8 == 0 or step == last)]
        formats = ["xtc", "dcd"] if options["format"] == "both" else [options["format"]]
        found = names(output, "*.xtc") + names(output, "*.dcd")
        equal(found, [f"replica_{r:04}.{f}" for f in formats for r in range(2)], f"{name}, trajectories")
        pdb = os.path.join(output, "topology.pdb")
        top = topology(pdb, expected)
        coords = arrays(output, "coords")
        for trajectory_name in found:
            replica = int(trajectory_name[8:12])
            trajectory(output, pdb, top, trajectory_name, steps, coords[replica])
        if "terms" in options:
            energies(output, steps, 2, masses, BUILTIN_TERMS)


def exchange(folder):
    """A ladder of the built-in system: trajectories of replicas and of states."""
    expected = Expected.builtin()
    masses = np.array([MASSES[name[0]] for name in expected.atoms])
    output = run(
        folder, "exchange", ["--builtin"], steps=80, save_interval=5, exchange_interval=5,
        ladder="300,310,3", trajectories_by="both", format="both", **ALL,
    )
    steps = range(5, 81, 5)
    pdb = os.path.join(output, "topology.pdb")
    top, coords = topology(pdb, expected), arrays(output, "coords")
    table = energies(output, steps, 3, masses, BUILTIN_TERMS)
    states = table["state"].to_numpy().reshape(len(steps), 3)
    check(len(np.unique(states, axis=0)) > 1, "exchange: no replica changes its state")
    for k in range(3):
        holders = np.argmax(states == k, axis=1)
        of_state = coords[holders, np.arange(len(steps))]
        for extension in ("xtc", "dcd"):
            trajectory(output, pdb, top, f"replica_{k:04}.{extension}", steps, coords[k])
            trajectory(output, pdb, top, f"ladder_0000_state_{k:04}.{extension}", steps, of_state)
    n_k = np.load(os.path.join(output, "ladder_0000_N_k.npy"))
    equal(n_k.tolist(), [len(steps)] * 3, "exchange, N_k")
    u_kn = np.load(os.path.join(output, "ladder_0000_u_kn.npy"))
    equal(u_kn.shape, (3, 3 * len(steps)), "exchange, shape of u_kn")
    samples = np.load(os.path.join(output, "ladder_0000_samples.npy"))
    equal(samples.shape, (3 * len(steps), 3), "exchange, shape of samples")


def star(folder):
    """A bead with six bonds, which need two records; and arrays of several blocks."""
    bonds = [[0, i] for i in range(1, 7)]
    positions = [[0.0, 0.0, 0.0]] + [
        [3.8 * s * (c == k) for k in range(3)] for c in range(3) for s in (-1, 1)
    ]
    mass = 12.0 * KCAL
    files = system(folder, positions, mass, [("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * 6)])
    output = run(folder, "star", files, replicas=3, steps=250, save_interval=1, format="both", **ALL)
    expected, steps = Expected.unknown(7, bonds), range(1, 251)
    pdb = os.path.join(output, "topology.pdb")
    top, coords = topology(pdb, expected, positions), arrays(output, "coords")
    energies(output, steps, 3, np.full(7, 12.0), ["bonds"])
    for r in range(3):
        for extension in ("xtc", "dcd"):
            trajectory(output, pdb, top, f"replica_{r:04}.{extension}", steps, coords[r])


def killed(folder):
    """A run that is killed has frames that the header of a DCD file does not count."""
    bonds = [[i, i + 1] for i in range(11)]
    positions = [[3.8 * i - 20.0, 0.0, 0.0] for i in range(12)]
    files = system(
        folder, positions, 12.0 * KCAL, [("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * 11)]
    )
    output = os.path.join(folder, "killed")
    options = arguments(dt=DT, replicas=1, steps=10**9, save_interval=1000, format="both")
    command = [PROGRAM, "run", "--backend=cpu", *files, *options, "-o", output]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        path, begin = os.path.join(output, "replica_0000.dcd"), time.time()
        while not (os.path.exists(path) and os.path.getsize(path) > 2000) and time.time() < begin + 60:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    pdb = os.path.join(output, "topology.pdb")
    top = topology(pdb, Expected.unknown(12, bonds), positions)
    xtc, dcd = (os.path.join(output, f"replica_0000.{extension}") for extension in ("xtc", "dcd"))
    # MDTraj says that the header has another number of frames, and takes those of the file.
    with silence("killed", ["DCD header claims"]):
        loaded = [md.load(path, top=top) for path in (xtc, dcd)]
        read = [mda.Universe(pdb, path).trajectory for path in (xtc, dcd)]
        counts = [frames.n_frames for frames in read]
        times = [[ts.time for ts in frames] for frames in read]
    n = min(frames.n_frames for frames in loaded)
    check(n > 0, "killed: no frames")
    equal(counts, [frames.n_frames for frames in loaded], "killed: frames in both packages")
    # A kill can come between the files of a frame.
    check(abs(counts[0] - counts[1]) <= 1, f"killed: {counts} frames in the two formats")
    close(10 * loaded[1].xyz[:n], 10 * loaded[0].xyz[:n], XTC_ERROR + 1e-4, "killed, positions")
    expected = 1000 * DT * np.arange(1, n + 1)
    for extension, found in zip(("XTC", "DCD"), times):
        close(found[:n], expected, 1e-6 * expected, f"MDAnalysis, killed, times of {extension}")


def fragments(folder):
    """Two chains in one molecule: no package adds a bond between them."""
    types, bonds = [21, 22, 1, 23, 24] * 4, []
    for n in range(0, 20, 5):
        bonds += [(n, n + 1), (n + 1, n + 2), (n + 1, n + 3), (n + 3, n + 4)]
    bonds = sorted([*bonds, (3, 5), (13, 15)])
    positions = [[3.0 * i, 1.0 * (i % 2), 20.0 * (i // 10)] for i in range(20)]
    terms = [("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * len(bonds))]
    files = system(folder, positions, 12.0 * KCAL, terms, types)
    output = run(folder, "fragments", files, replicas=1, steps=1)
    pdb = os.path.join(output, "topology.pdb")
    with silence("fragments"):
        universe, top = mda.Universe(pdb), md.load(pdb).topology
    both_bonds(universe, top, bonds, "fragments")


def moved(folder):
    """Molecules outside the columns of a PDB file, which hold -999 to 9999 Å, are moved and keep their
    shape."""
    n = 1000
    bonds = [[i, i + 1] for i in range(n - 1)]
    terms = [("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * (n - 1))]
    for name, size in (("folded", 40), ("stretched", n)):
        i = np.arange(n)
        positions = np.stack([3.8 * (i % size) - 2000.0, 3.8 * (i // size), 0.0 * i], axis=1)
        files = system(folder, positions.tolist(), 12.0 * KCAL, terms)
        options = dict(replicas=1, steps=1, max_force="inf", max_stretch="inf", max_kinetic="inf")
        output = run(folder, f"moved_{name}", files, **options)
        with silence(f"moved, {name}"):
            found = mda.Universe(os.path.join(output, "topology.pdb")).atoms.positions
        close(found - found[0], positions - positions[0], 0.0015, f"MDAnalysis, {name} and moved, positions")


def large(folder):
    """Chains whose numbers just fit the columns of a PDB file, and do not fit."""
    for n in (99_999, 100_001):
        bonds = [[i, i + 1] for i in range(n - 1)]
        # A zigzag that folds back and forth, within the columns of coordinates.
        i = np.arange(n)
        line, along = i // 400, i % 400
        x = np.where(line % 2 == 0, along, 399 - along) * 3.8 - 700.0
        positions = np.stack([x, 3.8 * line - 400.0, np.zeros(n)], axis=1)
        files = system(
            folder, positions.tolist(), 12.0 * KCAL,
            [("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * (n - 1))],
        )
        output = run(
            folder, f"large_{n}", files, replicas=1, steps=2, save_interval=1, format="both", npy=""
        )
        expected = Expected.unknown(n, bonds, has_bonds=n < 100_000)
        pdb = os.path.join(output, "topology.pdb")
        top, coords = topology(pdb, expected, positions), arrays(output, "coords")
        for extension in ("xtc", "dcd"):
            trajectory(output, pdb, top, f"replica_0000.{extension}", [1, 2], coords[0])


def main():
    with tempfile.TemporaryDirectory() as folder:
        for test in (builtin, exchange, star, killed, fragments, moved, large):
            begin = time.time()
            before = len(failures)
            test(folder)
            done = "passed" if len(failures) == before else "FAILED"
            print(f"{done}  {test.__name__}, {time.time() - begin:.0f} s", flush=True)
    print(f"{n_checks} checks, {len(failures)} failed")
    sys.exit(1 if failures else 0)


main()
