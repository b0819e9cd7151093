"""Makes golden.json, the quantities of chain.xtc by MDTraj, MDAnalysis and deeptime: `python make.py` in this
folder.

chain.xtc is a run of the demonstration model (examples/demonstration), an extended chain that folds:

    flashschnet run fold.toml --backend cpu --steps 30000 --save-interval 100 --replicas 1 --seed 2 -o run

native.pdb is ww_domain_ca.pdb of that folder. MDTraj computes in f32, so the numbers have about six digits.
"""

import json

import deeptime
import mdtraj
import MDAnalysis
import numpy
from deeptime.decomposition import TICA
from MDAnalysis.analysis import align, rms
from MDAnalysis.analysis.contacts import soft_cut_q

CUTOFF, BETA, LAMBDA = 8.0, 5.0, 1.2
PART = list(range(3, 9)) + [20, 25]
LAG = 5


def digits(numbers):
    return [float(f"{x:.8g}") for x in numbers]


def contacts(native, trajectory):
    """Frequencies of pairs nearer than the cutoff, and the native ones, with j - i >= 3."""
    n = trajectory.n_atoms
    pairs = [(i, j) for i in range(n) for j in range(i + 3, n)]
    distances = 10.0 * mdtraj.compute_distances(trajectory, pairs)
    of_native = 10.0 * mdtraj.compute_distances(native, pairs)[0]
    return (distances < CUTOFF).mean(axis=0), of_native < CUTOFF


def native_contacts(native, trajectory):
    """The fraction of native contacts of Best, Hummer and Eaton, of MDAnalysis, with j - i > 3."""
    n = trajectory.n_atoms
    pairs = [(i, j) for i in range(n) for j in range(i + 4, n)]
    r0 = 10.0 * mdtraj.compute_distances(native, pairs)[0].astype(float)
    near = numpy.flatnonzero(r0 < CUTOFF)
    r = 10.0 * mdtraj.compute_distances(trajectory, [pairs[k] for k in near]).astype(float)
    return [soft_cut_q(frame, r0[near], beta=BETA, lambda_constant=LAMBDA) for frame in r]


def fluctuations(select):
    """RMSF after superposition on native.pdb, by MDAnalysis."""
    mobile = MDAnalysis.Universe("native.pdb", "chain.xtc")
    native = MDAnalysis.Universe("native.pdb")
    align.AlignTraj(mobile, native, select=select, in_memory=True, match_atoms=False).run()
    return rms.RMSF(mobile.select_atoms(select)).run().results.rmsf


def tica(trajectory, lag):
    """Time scales and components of the distances between every second bead, for a lag in frames. By default
    deeptime multiplies a component by its eigenvalue."""
    n = trajectory.n_atoms
    pairs = [(i, j) for i in range(0, n, 2) for j in range(i + 2, n, 2) if j - i >= 3]
    distances = 10.0 * mdtraj.compute_distances(trajectory, pairs).astype(float)
    model = TICA(lagtime=lag, dim=2, epsilon=1e-6).fit_fetch(distances)
    interval = trajectory.time[1] - trajectory.time[0]
    return interval * model.timescales(k=2), model.transform(distances)


def main():
    native = mdtraj.load("native.pdb")
    trajectory = mdtraj.load("chain.xtc", top="native.pdb")
    n = trajectory.n_atoms
    frequency, of_native = contacts(native, trajectory)
    scales, components = tica(trajectory, LAG)
    part = "index " + " ".join(map(str, PART))
    golden = {
        "versions": {"mdtraj": mdtraj.__version__, "MDAnalysis": MDAnalysis.__version__, "deeptime": deeptime.__version__, "numpy": numpy.__version__},
        "cutoff": CUTOFF,
        "part": PART,
        "rg": digits(10.0 * mdtraj.compute_rg(trajectory)),
        "rg_part": digits(10.0 * mdtraj.compute_rg(trajectory.atom_slice(PART))),
        "end_to_end": digits(10.0 * mdtraj.compute_distances(trajectory, [(0, n - 1)])[:, 0]),
        "rmsd": digits(10.0 * mdtraj.rmsd(trajectory, native)),
        "rmsd_part": digits(10.0 * mdtraj.rmsd(trajectory, native, atom_indices=PART)),
        "q": digits(native_contacts(native, trajectory)),
        "time": digits(trajectory.time),
        "contacts": digits(frequency),
        "native": [int(x) for x in of_native],
        "time_scales": digits(scales),
        "tic_1": digits(components[:, 0]),
        "tic_2": digits(components[:, 1]),
        "rmsf": digits(fluctuations("all")),
        "rmsf_part": digits(fluctuations(part)),
    }
    with open("golden.json", "w", encoding="utf-8") as file:
        json.dump(golden, file, indent=None, separators=(",", ":"))
        file.write("\n")


main()
