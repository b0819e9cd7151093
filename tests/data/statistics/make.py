"""Makes the golden numbers of tests/statistics with pymbar and deeptime.

    python -m venv venv
    venv/bin/pip install numpy==2.4.6 pymbar==4.0.3 deeptime==0.5.0
    venv/bin/python tests/data/statistics/make.py

Input and results are both in the files, so the tests need no random numbers of NumPy.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from deeptime.decomposition import TICA
from deeptime.markov.msm import MaximumLikelihoodMSM
from pymbar import MBAR, timeseries

VERSIONS = {name: version(name) for name in ("numpy", "pymbar", "deeptime")}
BOLTZMANN = 1.38064852e-23 * 6.022140857e23 / 4184.0


def write(name, data):
    path = Path(__file__).parent / f"{name}.json"
    path.write_text(json.dumps({"versions": VERSIONS, **data}, separators=(",", ":")) + "\n")


def autoregressive(random, n, a):
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = a * x[t - 1] + random.normal()
    return x.round(4)


def autocorrelation():
    random = np.random.default_rng(1)
    groups = [
        [autoregressive(random, 500, 0.9)],
        [autoregressive(random, 300, 0.0)],
        [autoregressive(random, 200, -0.7)],
        [autoregressive(random, 230, 0.8) for _ in range(3)],
    ]
    cases = []
    for group in groups:
        one = len(group) == 1
        g = (timeseries.statistical_inefficiency(group[0]) if one
             else timeseries.statistical_inefficiency_multiple(group))
        cases.append({"trajectories": [list(x) for x in group], "inefficiency": g})
    write("autocorrelation", {"cases": cases})


def solved(u, counts, observable, target):
    mbar = MBAR(u, counts, relative_tolerance=1e-14, maximum_iterations=100000,
                solver_protocol=({"method": "adaptive", "tol": 1e-14},))
    free = mbar.compute_free_energy_differences(compute_uncertainty=False)["Delta_f"][0]
    mean = mbar.compute_expectations(observable, u_kn=target, compute_uncertainty=False)["mu"]
    log = mbar._computeUnnormalizedLogWeights(target)
    weights = np.exp(log - log.max())
    return {"free_energies": list(free), "mean": float(np.ravel(mean)[0]),
            "weights": list(weights / weights.sum())}


def mbar():
    random = np.random.default_rng(2)
    # Harmonic oscillators (matrix), one state without samples.
    centers, constants = np.array([0.0, 0.7, 1.5, 2.0, 2.6]), np.array([1.0, 3.0, 2.0, 4.0, 1.5])
    counts = np.array([60, 50, 0, 70, 40])
    x = np.concatenate([random.normal(c, k**-0.5, n)
                        for c, k, n in zip(centers, constants, counts)]).round(4)
    u = 0.5 * constants[:, None] * (x[None] - centers[:, None])**2
    target = 0.5 * 2.5 * (x - 1.0)**2
    matrix = solved(u, counts, x, target)
    # A ladder of temperatures.
    temperatures = np.array([280.0, 310.0, 345.0, 390.0])
    betas = 1 / (BOLTZMANN * temperatures)
    n = 80
    energies = np.concatenate([random.gamma(20.0, 1 / b, n) - 140.0 for b in betas]).round(4)
    ladder = solved(betas[:, None] * energies[None], np.full(4, n), energies,
                    energies / (BOLTZMANN * 330.0))
    write("mbar", {
        "matrix": {"x": list(x), "centers": list(centers), "constants": list(constants),
                   "counts": [int(n) for n in counts], "target": [1.0, 2.5], **matrix},
        "ladder": {"temperatures": list(temperatures), "samples_per_state": n, "target": 330.0,
                   "energies": list(energies), **ladder},
    })


def tica():
    random = np.random.default_rng(3)
    mix = random.normal(size=(3, 5))
    trajectories = []
    for n in (260, 190):
        slow = np.stack([autoregressive(random, n, a) for a in (0.97, 0.85, 0.3)], axis=1)
        x = (slow @ mix + 0.1 * random.normal(size=(n, 5)) + 7.0).round(3)
        # The last feature is a sum of others, so that the covariance matrix is singular.
        trajectories.append(np.concatenate([x, x[:, :1] + x[:, 1:2]], axis=1).round(3))
    lags = [1, 4, 10]
    models = []
    for lag in lags:
        pairs = [(x[:-lag], x[lag:]) for x in trajectories]
        estimator = TICA(lagtime=lag, epsilon=1e-6, scaling=None)
        fitter = estimator.covariance_estimator(lag)
        for pair in pairs:
            fitter.partial_fit(pair)
        model = estimator.fit(fitter).fetch_model()
        models.append({
            "eigenvalues": list(model.singular_values),
            "time_scales": list(model.timescales()),
            "correlations": model.feature_component_correlation.T.tolist(),
            "projected": model.transform(trajectories[0][:5]).tolist(),
        })
    write("tica", {"trajectories": [x.tolist() for x in trajectories], "lags": lags,
                   "models": models})


def events():
    random = np.random.default_rng(4)
    trajectories, discrete = [], []
    for n in (400, 300):
        state, q = 0, []
        for _ in range(n):
            state = 1 - state if random.random() < 0.03 else state
            q.append(round(float(np.clip(random.normal(0.75 if state else 0.35, 0.15), 0, 1)), 3))
        trajectories.append(q)
        core, states = None, []
        for value in q:
            core = 1 if value >= 0.8 else 0 if value <= 0.3 else core
            if core is not None:
                states.append(core)
        discrete.append(np.array(states))
    model = MaximumLikelihoodMSM(lagtime=1, reversible=False).fit_fetch(discrete)
    write("events", {"trajectories": trajectories, "folding": model.mfpt([0], [1]),
                     "unfolding": model.mfpt([1], [0])})


if __name__ == "__main__":
    autocorrelation()
    mbar()
    tica()
    events()
