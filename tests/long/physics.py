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
    """Each check has a p-value. The smallest allowed one is FALSE_ALARMS over their number."""

    def __init__(self):
        self.results = []

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
        sys.exit(0 if all(p >= least for p, _, _ in self.results) else 1)


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


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        for check in (temperature_of_a_chain, oscillator, diffusion, exchange, umbrella):
            inside = os.path.join(folder, check.__name__)
            os.mkdir(inside)
            check(checks, inside)
    checks.finish()


main()
