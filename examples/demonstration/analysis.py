"""Folding, melting and sampling rates from the energies and Q of runs. Needs NumPy only.

  analysis.py folding RUN     how many chains have folded, when, and the mean Q
  analysis.py melting RUN     melting curve and temperatures of an exchange run
  analysis.py rates RUN...    folding and unfolding events, and independent samples, per hour

RUN is the output folder of a run of flashschnet with the observable q. A chain is folded once Q
has reached FOLDED, until it reaches UNFOLDED, and the reverse.
"""

import re
import sys
from pathlib import Path

import numpy as np

BOLTZMANN = 1.38064852e-23 * 6.022140857e23 / 4184  # kcal/(mol K), as in flashschnet
FOLDED, UNFOLDED = 0.8, 0.3
EQUILIBRATION = 0.1  # the part of an exchange run that does not count


def read_energies(folder):
    return np.genfromtxt(Path(folder) / "energies.csv", delimiter=",", names=True)


def read_fractions(folder):
    """Q (frames, replicas) of a run, and the interval between frames in ps."""
    table = np.atleast_1d(read_energies(folder))
    if "q" not in table.dtype.names:
        raise SystemExit(f"{folder}: no column q; run with --observables q and --reference")
    n_replicas = len(np.unique(table["replica"]))
    n_frames = len(np.unique(table["step"]))
    if n_frames < 2 or len(table) != n_frames * n_replicas:
        raise SystemExit(f"{folder}: expected two frames or more with all replicas, found "
                         f"{len(table)} rows of {n_replicas} replicas in {n_frames} frames")
    times = table["time_ps"][::n_replicas]
    return table["q"].reshape(-1, n_replicas), times[1] - times[0]


def folding(q, interval):
    """How many chains have folded and when, from Q (frames, chains) at intervals in ps."""
    reached = q.max(0) > FOLDED
    times = interval * (1 + np.argmax(q > FOLDED, axis=0))[reached]
    half = len(q) // 2
    median = f" after {np.median(times):.0f} ps in the median" if len(times) else ""
    return (f"Q > {FOLDED} reached by {reached.sum()} of {len(reached)}{median}\n"
            f"mean Q of the second half: {q[half:].mean():.3f}; "
            f"Q > {FOLDED} at the end: {(q[-1] > FOLDED).sum()} of {len(reached)}")


def curves(temperatures, energies, fractions, grid):
    """Mean Q and heat capacity in kcal/(mol K) at the temperatures of the grid, by MBAR.

    energies and fractions (frames, temperatures) are those of the samples of each temperature. A
    sample's weight at β is exp(-β E) / Σ_k N exp(f_k - β_k E). The iteration for f starts from 0.
    All exponents are relative to the mean of β and E, so that exp does not overflow."""
    beta = 1 / (BOLTZMANN * np.asarray(temperatures))
    middle = beta.mean()
    e, q = energies.ravel() - energies.mean(), fractions.ravel()
    boltzmann = np.exp(-(beta - middle)[:, None] * e)
    z = np.ones(len(beta))  # exp(-f)
    for _ in range(10000):
        weights = 1 / ((len(energies) / z) @ boltzmann)
        new = boltzmann @ weights
        new /= new[0]
        converged = np.abs(np.log(new / z)).max() < 1e-6
        z = new
        if converged:
            break
    result = []
    for t in grid:
        w = weights * np.exp(-(1 / (BOLTZMANN * t) - middle) * e)
        w /= w.sum()
        mean = w @ e
        result.append((w @ q, w @ (e - mean) ** 2 / (BOLTZMANN * t * t)))
    return np.array(result).T


class Melting:
    """Melting curve from energies and Q (frames, temperatures) of replica exchange, by MBAR.

    The melting temperatures are those of the largest heat capacity and of a mean Q of 1/2. Errors
    are those of the jackknife over blocks in time: error² = (B-1)/B Σ (θ_b - <θ_b>)², where θ_b is
    the value without block b."""

    def __init__(self, temperatures, energies, fractions, n_blocks=10):
        self.temperatures = np.asarray(temperatures, float)
        grid = np.arange(self.temperatures[0], self.temperatures[-1] + 0.1, 0.5)

        def estimate(part):
            q, capacity = curves(temperatures, energies[part], fractions[part], grid)
            k = np.clip(np.argmax(capacity), 6, len(grid) - 7)
            near = slice(k - 6, k + 7)
            a, b, _ = np.polyfit(grid[near] - grid[k], capacity[near], 2)
            melting = [grid[k] - b / (2 * a), np.interp(-0.5, -q, grid)]
            of_ladder = (np.interp(self.temperatures, grid, curve) for curve in (q, capacity))
            return np.concatenate([melting, *of_ladder])

        frames = np.arange(len(energies))
        blocks = np.array_split(frames, n_blocks)
        without = np.array([estimate(np.delete(frames, block)) for block in blocks])
        error = np.sqrt((n_blocks - 1) * without.var(0))
        pairs = np.stack([estimate(slice(None)), error], 1)
        self.by_heat_capacity, self.by_q = map(tuple, pairs[:2].tolist())
        self.q, self.heat_capacity = np.split(pairs[2:], 2)

    def table(self):
        columns = {"temperature_K": self.temperatures, "q": self.q[:, 0], "q_error": self.q[:, 1],
                   "heat_capacity_kcal_per_mol_K": self.heat_capacity[:, 0],
                   "heat_capacity_error": self.heat_capacity[:, 1]}
        return {"melting_temperature_by_heat_capacity_K": self.by_heat_capacity,
                "melting_temperature_by_q_K": self.by_q,
                } | {name: values.round(4).tolist() for name, values in columns.items()}

    def print(self):
        results = {"heat capacity": self.by_heat_capacity, "Q = 1/2": self.by_q}
        for name, (value, error) in results.items():
            print(f"melting temperature by {name}: {value:.1f} ± {error:.1f} K")
        for t, (q, dq), (c, dc) in zip(self.temperatures, self.q, self.heat_capacity):
            print(f"{t:6.1f} K  Q {q:.3f} ± {dq:.3f}  C {c:.3f} ± {dc:.3f} kcal/(mol K)")


def melting_of_run(folder):
    """The melting curve of an exchange run of flashschnet, without its equilibration."""
    table = read_energies(folder)
    ladder = np.genfromtxt(Path(folder) / "ladders.csv", delimiter=",", names=True)
    temperatures = ladder["temperature_K"]
    n = len(temperatures)
    order = np.lexsort((table["state"], table["step"]))
    energies = table["potential_kcal_per_mol"][order].reshape(-1, n)
    fractions = table["q"][order].reshape(-1, n)
    first = int(EQUILIBRATION * len(energies))
    return Melting(temperatures, energies[first:], fractions[first:])


def events(q):
    """Numbers of foldings and unfoldings in Q (frames) of one chain."""
    state, counts = None, {True: 0, False: 0}
    for value in q:
        if value >= FOLDED or value <= UNFOLDED:
            folded = bool(value >= FOLDED)
            if state is not None and folded != state:
                counts[folded] += 1
            state = folded
    return counts[True], counts[False]


def statistical_inefficiency(q):
    """Frames per independent sample of Q (frames, chains): g = 1 + 2 Σ_t (1 - t/T) C(t).

    C is the mean over all chains of the autocorrelation of Q about the mean of all; the sum ends
    where C first falls below 0 (Chodera et al. 2007)."""
    d = q - q.mean()
    n = len(d)
    padded = np.fft.rfft(d, 2 * n, axis=0)
    products = np.fft.irfft(np.abs(padded) ** 2, axis=0)[:n].mean(1)
    correlation = products / (n - np.arange(n)) / (d * d).mean()
    negative = np.nonzero(correlation < 0)[0]
    end = negative[0] if len(negative) else n
    t = np.arange(1, end)
    return 1 + 2 * ((1 - t / n) * correlation[1:end]).sum()


def rates(folder):
    q, interval = read_fractions(folder)
    log = (Path(folder) / "run.log").read_text()
    speeds = re.findall(r"^(\d+) steps \((\S+) ps\) of (\d+) replicas in (\S+) s", log, re.M)
    if len(speeds) != 1:
        raise SystemExit(f"{folder}/run.log: expected one line with the speed of a whole run, found "
                         f"{len(speeds)}")
    steps, time, replicas, seconds = map(float, speeds[0])
    q = q[int(EQUILIBRATION * len(q)):]
    n_folding, n_unfolding = np.sum([events(chain) for chain in q.T], axis=0)
    g = statistical_inefficiency(q)
    speed = steps * replicas / seconds
    observed = q.size * interval / time * steps  # replica-steps
    print(f"{folder}: {speed:.0f} replica-steps/s; {n_folding} foldings and {n_unfolding} "
          f"unfoldings in {q.size * interval / 1000:.1f} ns of {q.shape[1]} chains; "
          f"mean Q {q.mean():.3f}; {q.size / g:.0f} independent samples, "
          f"one every {g * interval:.0f} ps")
    for name, count in (("foldings", n_folding), ("unfoldings", n_unfolding),
                        ("independent samples", q.size / g)):
        print(f"  {name}: {count / observed * 1e9:.1f} per 1e9 replica-steps, "
              f"{count / observed * speed * 3600:.0f} per hour")


def main():
    commands = {"folding": lambda folder: print(folding(*read_fractions(folder))),
                "melting": lambda folder: melting_of_run(folder).print(), "rates": rates}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    for folder in sys.argv[2:]:
        commands[sys.argv[1]](folder)


if __name__ == "__main__":
    main()
