"""The checks of tests/long/physics."""

import csv
import logging
import math
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

# Both packages greet with remarks on optional dependencies.
logging.disable(logging.WARNING)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import physical_validation as pv
    import pymbar
from scipy import integrate, special, stats

from systems import system

K_B = 0.0019872042586
SHORT = "--short" in sys.argv
PROGRAM = os.environ["FLASHSCHNET"]
BACKEND = os.environ.get("FLASHSCHNET_BACKEND", "cpu")
FALSE_ALARMS = 1e-3


def run(folder, name, files, skip=0, **options):
    """Runs the program. Returns the output folder, and potential and kinetic energies after `skip`
    steps, (frames, replicas)."""
    output = os.path.join(folder, name)
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in options.items() if value != ""]
    arguments += [f"--{key}" for key, value in options.items() if value == ""]
    command = [PROGRAM, "run", "--backend", BACKEND, *files, *arguments, "-o", output]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    with open(os.path.join(output, "energies.csv")) as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > skip]
    n_replicas = len({row["replica"] for row in rows})
    columns = ("potential_kcal_per_mol", "kinetic_kcal_per_mol")
    table = [[float(row[column] or "nan") for column in columns] for row in rows]
    table = np.array(table).reshape(-1, n_replicas, 2)
    return output, table[..., 0], table[..., 1]


class Checks:
    """Each check has a p-value. The smallest allowed one is FALSE_ALARMS over their number. Or it has a
    bound, which holds for every seed."""

    def __init__(self):
        self.results = []
        self.bounds = []

    def bound(self, name, found, most):
        self.bounds.append((name, found, most))

    def p(self, name, p, found):
        self.results.append((p, name, found))

    def sigmas(self, name, sigmas, found=""):
        self.p(name, 2.0 * stats.norm.sf(abs(sigmas)), f"{sigmas:+.2f} standard errors {found}")

    def mean(self, name, samples, expected):
        """The mean of independent columns of samples."""
        means = np.asarray(samples).reshape(len(samples), -1).mean(axis=0)
        error = means.std(ddof=1) / math.sqrt(len(means))
        found = f"{means.mean():.5f} of {expected:.5f}"
        self.sigmas(name, (means.mean() - expected) / error, found)

    def finish(self):
        least = FALSE_ALARMS / len(self.results)
        for p, name, found in self.results:
            print(f"{'passed' if p >= least else 'FAILED'}  p = {p:.2g}  {name}: {found}")
        for name, found, most in self.bounds:
            print(f"{'passed' if found <= most else 'FAILED'}  {name}: {found:.2g}, at most {most}")
        good = [p >= least for p, _, _ in self.results]
        good += [found <= most for _, found, most in self.bounds]
        sys.exit(0 if all(good) else 1)


def temperature_of_a_chain(checks, folder):
    """A chain with stiff bonds at 300 and 330 K, at a time step where the shift of the kinetic energy
    by BAOAB, (ωh)²/4 for a mode of frequency ω, is below the statistical error."""
    n, mass, k = 8, 0.25, 20.0
    bonds = [[i, i + 1] for i in range(n - 1)]
    angles = [[i, i + 1, i + 2] for i in range(n - 2)]
    apart = [[i, j] for i in range(n) for j in range(i + 3, n)]
    terms = [
        ("bonds", "harmonic_bond", bonds, [[k, 3.8, 0.0]] * len(bonds)),
        ("angles", "harmonic_angle", angles, [[2.0, -0.2, 0.0]] * len(angles)),
        ("apart", "repulsion", apart, [[3.5]] * len(apart)),
    ]
    positions = [[3.5 * i, 1.2 * (i % 2), 0.4 * (i % 3)] for i in range(n)]
    files = system(folder, positions, mass, terms)
    units = pv.data.UnitData(
        kb=K_B, energy_conversion=4.184, length_conversion=0.1, volume_conversion=1e-3,
        temperature_conversion=1.0, pressure_conversion=1.0, time_conversion=1.0,
        energy_str="kcal/mol", length_str="A", time_str="ps",
    )
    data = []
    frames = 40 if SHORT else 400
    for seed, kelvin in enumerate((300, 330)):
        _, potential, kinetic = run(
            folder, f"chain_{kelvin}", files, skip=4000, replicas=64, steps=4000 + 400 * frames,
            save_interval=400, dt=0.002, friction=5, temperature=kelvin, seed=11 + seed,
        )
        data.append(pv.data.SimulationData(
            units=units, dt=0.002,
            system=pv.data.SystemData(
                natoms=n, nconstraints=0, ndof_reduction_tra=0, ndof_reduction_rot=0
            ),
            ensemble=pv.data.EnsembleData("NVT", natoms=n, volume=1.0, temperature=kelvin),
            observables=pv.data.ObservableData(
                potential_energy=potential.ravel(), kinetic_energy=kinetic.ravel(),
                total_energy=(potential + kinetic).ravel(),
            ),
        ))
        checks.mean(f"kinetic energy at {kelvin} K", kinetic, 1.5 * n * K_B * kelvin)
        p = pv.kinetic_energy.distribution(
            data[-1], strict=True, verbosity=0, bootstrap_seed=1, data_is_uncorrelated=True
        )
        checks.p(f"physical_validation, kinetic energies at {kelvin} K", p, "Kolmogorov-Smirnov")
        for what, sigmas in zip(("mean", "width"), pv.kinetic_energy.distribution(
            data[-1], strict=False, verbosity=0, bootstrap_seed=1, data_is_uncorrelated=True
        )):
            checks.sigmas(f"physical_validation, {what} of kinetic energies at {kelvin} K", sigmas)
    sigmas = pv.ensemble.check(
        data[0], data[1], verbosity=0, bootstrap_seed=1, data_is_uncorrelated=True
    )
    checks.sigmas("physical_validation, ensembles at 300 and 330 K", sigmas[0])


def oscillator(checks, folder):
    """Two beads with E = k r²: a harmonic oscillator in three dimensions and a free center of mass.

    BAOAB samples r exactly, and its velocities are cold: <m v²> = kT (1 - (ωh)²/4), ω² = 4 k/m.
    x += μ F h + √(2 kT μ h) ξ has <E> = 3 kT/(2 - a), a = 4 k μ h.
    """
    k, mass, kelvin = 10.0, 0.4, 300.0
    kt = K_B * kelvin
    files = system(folder, [[0, 0, 0], [0.3, 0, 0]], mass, [
        ("bonds", "harmonic_bond", [[0, 1]], [[k, 0.0, 0.0]]),
    ])
    frames = 100 if SHORT else 2000
    common = dict(replicas=256, save_interval=100, temperature=kelvin)
    for dt in (0.01, 0.06):
        _, potential, kinetic = run(
            folder, f"oscillator_{dt}", files, skip=1000, steps=1000 + 100 * frames, dt=dt,
            friction=2, seed=21, **common,
        )
        checks.mean(f"oscillator, Langevin, h = {dt} ps: potential", potential, 1.5 * kt)
        cold = 1.0 - 4.0 * k / mass * dt**2 / 4.0
        checks.mean(
            f"oscillator, Langevin, h = {dt} ps: kinetic, {100 * (1 - cold) / 2:.2g} % cold", kinetic,
            1.5 * kt * (1.0 + cold),
        )
    for friction, dt in ((40.0, 0.05), (40.0, 0.5)):
        a = 4.0 * k * dt / friction
        _, potential, _ = run(
            folder, f"brownian_{dt}", files, skip=1000, steps=1000 + 100 * frames, dt=dt,
            friction=friction, seed=22, integrator="overdamped", **common,
        )
        checks.mean(
            f"oscillator, overdamped, a = {a:.2g}: potential", potential, 3.0 * kt / (2.0 - a)
        )


def diffusion(checks, folder):
    """A free bead: the mean square displacement of both kinds of dynamics, exact for their steps."""
    mass, kelvin, steps = 0.3, 300.0, 400
    kt = K_B * kelvin
    empty = [("bonds", "harmonic_bond", np.zeros((0, 2)), np.zeros((0, 3)))]
    files = system(folder, [[0.0, 0.0, 0.0]], mass, empty)
    n = 2000 if SHORT else 40000
    common = dict(replicas=n, steps=steps, save_interval=steps, temperature=kelvin, npy="")

    def displacement(output):
        x = np.load(os.path.join(output, "run_coords_0000.npy"))[:, -1, 0, :].astype(np.float64)
        return (x**2).sum(axis=1)[None, :]

    friction, dt = 3.0, 0.01
    output, _, _ = run(folder, "free", files, dt=dt, friction=friction, seed=31, **common)
    weight = np.full(steps + 1, dt)
    weight[[0, -1]] = dt / 2
    keep = np.exp(-friction * dt) ** np.abs(np.subtract.outer(range(steps + 1), range(steps + 1)))
    checks.mean("free bead, Langevin", displacement(output), 3 * kt / mass * weight @ keep @ weight)
    friction, dt = 20.0, 0.02
    output, _, _ = run(
        folder, "brownian", files, dt=dt, friction=friction, seed=32, integrator="overdamped",
        **common,
    )
    checks.mean("free bead, overdamped", displacement(output), 6 * kt / friction * dt * steps)


def samples_of(output, ladder):
    """u_kn, N_k, and replica, state and step of each sample."""
    name = os.path.join(output, f"ladder_{ladder:04}_")
    return tuple(np.load(f"{name}{what}.npy") for what in ("u_kn", "N_k", "samples"))


def exchange(checks, folder):
    """Ladders of oscillators with E = k r², whose energies have gamma distributions of shape 3/2.

    Two of them at β₁ > β₂ exchange with the acceptance 2 I_x(3/2, 3/2), x = β₂/(β₁ + β₂), with the
    regularized incomplete beta function I. The reduced free energies, which MBAR finds from u_kn and
    N_k, differ by 3/2 ln(β/β₀).
    """
    files = system(folder, [[0, 0, 0], [0.3, 0, 0]], 0.4, [
        ("bonds", "harmonic_bond", [[0, 1]], [[10.0, 0.0, 0.0]]),
    ])
    kelvin, ladders = (280.0, 400.0, 600.0), 48
    beta = 1.0 / (K_B * np.array(kelvin))
    frames = 100 if SHORT else 1000
    for mixing in ("neighbors", "all-pairs"):
        output, _, _ = run(
            folder, mixing, files, replicas=3 * ladders, steps=100 * frames, save_interval=100,
            exchange_interval=50, temperature=",".join(map(str, kelvin)), mixing=mixing, dt=0.05,
            friction=2, seed=41,
        )
        with open(os.path.join(output, "acceptance.csv")) as file:
            rows = list(csv.DictReader(file))
        for a, b in [(0, 1), (1, 2)] + ([(0, 2)] if mixing == "all-pairs" else []):
            pair = [row for row in rows if (row["state_a"], row["state_b"]) == (str(a), str(b))]
            assert len(pair) == ladders and all(int(row["tries"]) > 0 for row in pair)
            rates = [[int(row["accepted"]) / int(row["tries"]) for row in pair]]
            expected = 2 * special.betainc(1.5, 1.5, beta[b] / (beta[a] + beta[b]))
            checks.mean(f"exchange, {mixing}: acceptance of {a} and {b}", rates, expected)
        energies, free = [], []
        for ladder in range(ladders):
            u_kn, n_k, samples = samples_of(output, ladder)
            assert u_kn.shape == (3, 3 * frames) and n_k.tolist() == [frames] * 3
            assert np.array_equal(np.unique(samples[:, 2]), 100 * np.arange(1, frames + 1))
            energies.append([u_kn[k, samples[:, 1] == k].mean() for k in range(3)])
            mbar = pymbar.MBAR(u_kn, n_k, x_kindices=samples[:, 1])
            free.append(mbar.compute_free_energy_differences()["Delta_f"][0])
        for k in range(3):
            found = [np.array(energies)[:, k]]
            checks.mean(f"exchange, {mixing}: energy in state {k}, kT", found, 1.5)
        for k in range(1, 3):
            expected = 1.5 * math.log(beta[k] / beta[0])
            found = [np.array(free)[:, k]]
            checks.mean(f"exchange, {mixing}: pymbar, free energy of state {k}", found, expected)


def umbrella(checks, folder):
    """Umbrella windows of two beads with E = k r² and W = κ (r - c)², which exchange at one
    temperature. State c has Z = ∫ r² exp(-β (E + W)) dr.
    """
    k, kappa, kelvin, ladders = 1.0, 5.0, 300.0, 48
    centers = (0.3, 0.8, 1.3, 1.8)
    beta = 1.0 / (K_B * kelvin)
    files = system(folder, [[0, 0, 0], [0.8, 0, 0]], 0.4, [
        ("bonds", "harmonic_bond", [[0, 1]], [[k, 0.0, 0.0]]),
    ])
    windows = os.path.join(folder, "windows.toml")
    with open(windows, "w") as file:
        file.write("[[bias]]\nname = 'r'\nvariable = 'distance'\nbeads = [0, 1]\n")
        file.write(f"form = 'harmonic'\nk = {kappa}\ncenter = {list(centers)}\n")
    frames = 100 if SHORT else 1000
    output, _, _ = run(
        folder, "windows", files, replicas=4 * ladders, steps=200 * frames, save_interval=200,
        exchange_interval=100, ladder=f"{kelvin},{kelvin},4", bias=windows, dt=0.01, friction=5,
        seed=51,
    )

    def integral(center, of_energy):
        def density(r):
            u = beta * (k * r**2 + kappa * (r - center) ** 2)
            return of_energy(u) * r**2 * math.exp(-u)
        return integrate.quad(density, 0.0, 8.0, epsabs=1e-14, points=[center])[0]

    z = [integral(center, lambda u: 1.0) for center in centers]
    energies, free = [], []
    for ladder in range(ladders):
        u_kn, n_k, samples = samples_of(output, ladder)
        states = samples[:, 1]
        energies.append([u_kn[s, states == s].mean() for s in range(4)])
        mbar = pymbar.MBAR(u_kn, n_k, x_kindices=states)
        free.append(mbar.compute_free_energy_differences()["Delta_f"][0])
    for s, center in enumerate(centers):
        expected = integral(center, lambda u: u) / z[s]
        checks.mean(f"umbrella: energy in window {s}, kT", [np.array(energies)[:, s]], expected)
    for s in range(1, 4):
        found = [np.array(free)[:, s]]
        checks.mean(f"umbrella: pymbar, free energy of window {s}", found, -math.log(z[s] / z[0]))


def axis(beads, **keys):
    """A variable of metadynamics and its axis, as lines of TOML."""
    variable = "dihedral" if len(beads) == 4 else "distance"
    lines = [f"variable = '{variable}'", f"beads = {beads}"]
    return "\n".join(lines + [f"{key} = {value}" for key, value in keys.items()]) + "\n"


def hills(folder, text, every=50, **keys):
    """A file with metadynamics of these axes."""
    path = os.path.join(folder, "hills.toml")
    with open(path, "w") as file:
        file.write("[[bias]]\nname = 'hills'\nform = 'metadynamics'\n")
        file.write(f"every = {every}\nheight = 0.1\nbias-factor = 10\n{text}")
    return path


def free_energy(output):
    """The variables at the nodes of the grid, and the estimate of the free energy, from the minimum."""
    path = os.path.join(output, "metadynamics_hills.csv")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1] - table[:, -1].min()


def profile(checks, name, folder, files, text, exact, steps, replicas):
    """Three seeds of metadynamics against a profile: the largest difference up to 5 kcal/mol above the
    minimum."""
    path = hills(folder, text)
    for seed in (71,) if SHORT else (71, 72, 73):
        output, _, _ = run(
            folder, f"seed_{seed}", files, replicas=replicas, steps=steps, save_interval=steps, dt=0.01,
            friction=2, seed=seed, temperature=300, bias=path,
        )
        nodes, found = free_energy(output)
        expected = exact(*nodes.T)
        expected -= expected.min()
        worst = np.abs(found - expected)[expected <= 5.0].max()
        checks.bound(f"metadynamics, {name}, seed {seed}: error in kcal/mol", worst, 0.2)


def chain_of_torsions(folder, torsions):
    """A chain with a dihedral of energy a sin φ + b cos 2φ for each (a, b).

    The volume element in bond lengths, angles θ and dihedrals is Π r² Π sin θ: it does not depend on the
    dihedrals. The energy is a sum of functions of one of these coordinates each. So the dihedrals are
    independent of the others, and their free energy is the energy of the dihedrals.
    """
    n = 3 + len(torsions)
    tuples = [[list(range(i, i + m)) for i in range(n - m + 1)] for m in (2, 3, 4)]
    rows = [[0.0, a, 0.0, 0.0, b] for a, b in torsions]
    positions = [[0, 0, 0], [3.8, 0, 0], [4.6, 3.7, 0], [4.6, 3.9, 3.8], [8.2, 4.4, 4.4]][:n]
    return system(folder, positions, 0.1, [
        ("bonds", "harmonic_bond", tuples[0], [[20.0, 3.8, 0.0]] * len(tuples[0])),
        ("angles", "harmonic_angle", tuples[1], [[20.0, -0.2, 0.0]] * len(tuples[1])),
        ("torsions", "dihedral", tuples[2], rows),
    ])


def torsion(checks, folder):
    """A dihedral with wells at -90 and 90 degrees that differ by 1.5 kcal/mol, 6.8 kcal/mol below the
    barrier."""
    files = chain_of_torsions(folder, [(0.75, 3.0)])
    text = axis([0, 1, 2, 3], bins=90, width=0.2)
    steps = 100_000 if SHORT else 400_000
    profile(
        checks, "a dihedral", folder, files, text,
        lambda x: 0.75 * np.sin(x) + 3.0 * np.cos(2 * x), steps, 32,
    )


def two_torsions(checks, folder):
    """Two dihedrals with two wells each, 2.7 to 4.5 kcal/mol below the barriers."""
    if SHORT:
        return
    files = chain_of_torsions(folder, [(0.5, 2.0), (-0.3, 1.5)])
    axes = [axis([k, k + 1, k + 2, k + 3], bins=50, width=0.3) for k in range(2)]
    text = "".join(f"[[bias.variables]]\n{of}" for of in axes)
    profile(
        checks, "two dihedrals", folder, files, text,
        lambda x, y: (
            0.5 * np.sin(x) + 2.0 * np.cos(2 * x) - 0.3 * np.sin(y) + 1.5 * np.cos(2 * y)
        ), 300_000, 64,
    )


def two_wells(checks, folder):
    """A distance with wells near 3.6 and 8.6 Å, 5 and 7 kcal/mol below the barrier: a bond with a negative force
    constant between the walls of a restraint. The volume element of the distance is r², so that
    F(r) = U(r) - 2 kT ln r.
    """
    k, center, wall, lower, upper = 2.0, 6.0, 4.0, 4.8, 7.3
    files = system(folder, [[0, 0, 0], [center, 0, 0]], 0.1, [
        ("barrier", "harmonic_bond", [[0, 1]], [[-k, center, 0.0]]),
    ])
    text = axis([0, 1], lower=0.0, upper=14.0, bins=280, width=0.15)
    text += "[[bias]]\nname = 'walls'\nform = 'flat-bottom'\nvariable = 'distance'\nbeads = [0, 1]\n"
    text += f"k = {wall}\nlower = {lower}\nupper = {upper}\n"
    def exact(r):
        outside = np.maximum(lower - r, 0.0) ** 2 + np.maximum(r - upper, 0.0) ** 2
        volume = 2.0 * K_B * 300.0 * np.log(np.maximum(r, 1e-9))
        return wall * outside - k * (r - center) ** 2 - volume
    steps = 100_000 if SHORT else 400_000
    profile(checks, "a distance", folder, files, text, exact, steps, 32)


def deposits(checks, folder):
    """The file of the free energy against the sum of the hills at the values in `energies.csv`, which
    have six decimals. The grid holds the hills exactly at its nodes."""
    files = chain_of_torsions(folder, [(0.75, 3.0)])
    width, height, factor, replicas = 0.28, 0.1, 10.0, 8
    path = hills(folder, axis([0, 1, 2, 3], bins=90, width=width), every=20)
    output, _, _ = run(
        folder, "run", files, replicas=replicas, steps=2000, save_interval=20, dt=0.01, friction=2,
        seed=81, temperature=300, bias=path,
    )
    with open(os.path.join(output, "energies.csv")) as file:
        at = np.array([float(row["bias_hills_value"]) for row in csv.DictReader(file)])
    at = at.reshape(-1, replicas)

    def potential(x, centers, heights):
        apart = np.remainder(np.subtract.outer(x, centers) + np.pi, 2 * np.pi) - np.pi
        images = np.exp(-0.5 * ((apart[..., None] + 2 * np.pi * np.arange(-1, 2)) / width) ** 2)
        return images.sum(axis=-1) @ heights

    centers, heights = np.zeros(0), np.zeros(0)
    for walkers in at:
        rate = 1.0 / (K_B * 300.0 * (factor - 1.0))
        new = height * np.exp(-rate * potential(walkers, centers, heights))
        centers, heights = np.append(centers, walkers), np.append(heights, new)
    nodes, found = free_energy(output)
    expected = -potential(nodes[:, 0], centers, heights) / (1.0 - 1.0 / factor)
    error = np.abs(found - (expected - expected.min())).max() / np.ptp(expected)
    checks.bound("metadynamics: free energy from its deposits, relative error", error, 1e-5)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        for check in (
            temperature_of_a_chain, oscillator, diffusion, exchange, umbrella, torsion, two_torsions,
            two_wells, deposits,
        ):
            inside = os.path.join(folder, check.__name__)
            os.mkdir(inside)
            check(checks, inside)
    checks.finish()


main()
