"""Dynamics."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import flashschnet as fs


def test_a_run(simulate):
    sim = simulate(temperature=300)
    assert len(sim) == 3 and sim.step == 0 and sim.backend == "cpu" and sim.dt == 0.02
    start = sim.positions
    assert sim.run(20) == 20 and sim.run(5) == 5
    assert sim.step == 25 and sim.time == pytest.approx(0.5)
    n = sim.sizes[0]
    assert sim.positions.shape == sim.velocities.shape == sim.forces.shape == (3, n, 3)
    assert (sim.positions != start).any()
    assert sim.energies.shape == sim.kinetic_energies.shape == (3,)
    assert np.allclose(sim.temperatures, 300) and (sim.kinetic_temperatures > 100).all()
    assert sim.frozen == [] and sim.observables == {} and sim.biases == {}


def test_numbers_of_steps_are_whole(simulate):
    simulation = simulate()
    for steps in [-1, 2.5, "5", True, None]:
        with pytest.raises(fs.InvalidError, match="steps: found .*, expected a whole number >= 0"):
            simulation.run(steps)
    assert simulation.run(0) == 0 and simulation.step == 0
    for every in [0, 2.5, False]:
        with pytest.raises(fs.InvalidError, match="every: found"):
            fs.reporters.Function(print, every=every)


def test_the_same_seed_gives_the_same_bits(simulate):
    one, other = simulate(), simulate()
    one.run(30)
    for _ in range(3):
        other.run(10)
    assert (one.positions == other.positions).all()
    assert (simulate(seed=6).velocities != simulate().velocities).any()


def test_state(simulate, ww, tmp_path):
    sim = simulate()
    sim.run(10)
    middle = sim.checkpoint
    sim.save(tmp_path / "state")
    sim.run(10)
    end = sim.positions
    sim.checkpoint = pickle.loads(pickle.dumps(middle))
    assert sim.step == middle.step == 10
    sim.run(10)
    assert (sim.positions == end).all()
    for checkpoint in (tmp_path / "state", middle):
        again = fs.Simulation.restore(checkpoint, *ww)
        assert again.step == 10 and again.backend == "cpu"
        again.run(10)
        assert (again.positions == end).all()
    with pytest.raises(fs.InvalidError, match="structures: found other values"):
        fs.Simulation.restore(middle, ww[0], ww[0].parent / "ww_native.structures.safetensors")


def test_changes(simulate):
    sim = simulate()
    x, v = sim.positions, sim.velocities
    sim.positions = x + 1
    sim.velocities = 2 * v
    sim.temperatures = 310
    assert np.allclose(sim.positions, x + 1) and np.allclose(sim.velocities, 2 * v)
    assert np.allclose(sim.temperatures, 310)
    sim.temperatures = [300, 310, 320]
    assert np.allclose(sim.temperatures, [300, 310, 320])
    sim.set_external_forces(np.zeros_like(x))
    sim.set_external_forces(None)
    before = sim.energies
    assert len(sim.minimize(50)) == 3 and (sim.energies <= before).all()
    with pytest.raises(fs.InvalidError, match="positions: found the shape"):
        sim.positions = x[:2]
    x[2, 5, 1] = np.nan
    with pytest.raises(fs.InvalidError, match=r"positions\[2\]\[5\]: found .*nan"):
        sim.positions = x
    with pytest.raises(fs.InvalidError, match="temperatures: found -1, expected temperatures > 0 K"):
        sim.temperatures = -1
    # The attribute is `temperatures`.
    with pytest.raises(AttributeError):
        sim.temperature = 310


def test_swap(simulate):
    sim = simulate()
    x, v = sim.positions, sim.velocities
    sim.swap((0, 2), (1, 2))
    order = [2, 0, 1]
    assert (sim.positions == x[order]).all() and (sim.velocities == v[order]).all()
    with pytest.raises(fs.InvalidError, match="replica: found 3, expected one below 3"):
        sim.swap((0, 1), (0, 3))
    with pytest.raises(fs.InvalidError, match="pair: found 1 replicas, expected 2"):
        sim.swap((0,))
    assert (sim.positions == x[order]).all()


def test_force_callback(simulate):
    # A spring from each bead to its place.
    k, energies = 2.0, []
    springs = simulate(replicas=2)
    center = springs.positions

    def restrain(positions):
        away = positions - center
        return 0.5 * k * (away**2).sum(axis=(1, 2)), -k * away

    springs.set_force_callback(restrain)
    springs.reporters.append(fs.reporters.Function(lambda f: energies.append(f.callback), every=50))
    springs.run(50)
    expected, _ = restrain(springs.positions)
    assert np.allclose(springs.callback_energies, expected) and (expected > 0).all()
    assert np.allclose(energies[0], expected)
    free = simulate(replicas=2)
    assert free.callback_energies.shape == (0,)
    free.run(50)
    assert (restrain(free.positions)[0] > 2 * expected).all()
    # Without the callback the motion is that of the potential alone.
    springs.set_force_callback(None)
    springs.checkpoint = free.checkpoint
    springs.run(5)
    free.run(5)
    assert (springs.positions == free.positions).all()


def test_wrong_force_callbacks(simulate):
    sim = simulate()
    x = sim.positions

    def fail(positions):
        raise KeyError("mine")

    zeros, nan = np.zeros(3), np.full(3, np.nan)
    for callback, exception, message in [
        (fail, KeyError, "mine"),
        (lambda x: None, fs.InvalidError, "force callback: found NoneType, expected a pair"),
        (lambda x: (zeros, x[:2]), fs.InvalidError, "of the force callback: found the shape"),
        (lambda x: (zeros[:2], 0 * x), fs.InvalidError, "energies of the force callback: found 2"),
        (lambda x: (nan, 0 * x), fs.InvalidError, "energies of the force callback.0.: found NaN"),
        (lambda x: (zeros, np.nan * x), fs.InvalidError, "forces of the force callback"),
        (lambda x: sim.energies, fs.BusyError, "the simulation works"),
    ]:
        sim.set_force_callback(callback)
        for _ in range(2):
            with pytest.raises(exception, match=message):
                sim.run(1)
        with pytest.raises(exception, match=message):
            sim.energies
    sim.set_force_callback(None)
    assert sim.step == 0 and (sim.positions == x).all()
    sim.run(1)


def test_reporters(simulate, tmp_path):
    sim = simulate()
    frames, forces = [], []
    sim.reporters.append(fs.reporters.Function(frames.append, every=5))
    sim.reporters.append(
        fs.reporters.Function(lambda f: forces.append((f.forces, f.terms)), 10, forces=True, terms=True)
    )
    files = fs.reporters.XTC(tmp_path / "run", every=5, npy=True, velocities=True)
    sim.reporters += [files, fs.reporters.Checkpoints(tmp_path / "state", every=10)]
    sim.run(10)
    sim.run(5)
    assert [frame.step for frame in frames] == [5, 10, 15]
    last = frames[-1]
    assert (last.positions == sim.positions).all() and (last.velocities == sim.velocities).all()
    assert (last.potential == sim.energies).all() and last.time == sim.time
    assert last.forces is None and last.terms == {} and last.labels == []
    assert len(forces) == 1 and forces[0][0].shape == sim.positions.shape
    total = sum(forces[0][1].values())
    assert np.allclose(total, frames[1].potential, rtol=1e-5)
    run = fs.Run(tmp_path / "run", finished=True)
    assert sorted(set(run.energies["step"])) == [5, 10, 15]
    names = [path.name for path in files.files]
    assert "replica_0002.xtc" in names and "topology.pdb" in names
    arrays = [np.load(path) for path in sorted(files.folder.glob("run_coords_*.npy"))]
    assert sum(array.shape[1] for array in arrays) == 3
    assert fs.Checkpoint.latest(tmp_path / "state").step == 15
    # The files belong to one simulation, and are not overwritten.
    other = simulate()
    other.reporters.append(files)
    with pytest.raises(fs.InvalidError, match="another simulation"):
        other.run(1)
    other.reporters[:] = [fs.reporters.DCD(tmp_path / "run")]
    with pytest.raises(fs.ExistsError) as raised:
        other.run(1)
    assert isinstance(raised.value, FileExistsError)


def test_a_function_alone_is_no_reporter(simulate):
    sim = simulate()
    for wrong in (print, None, 5):
        sim.reporters[:] = [wrong]
        with pytest.raises(fs.InvalidError, match=r"reporters\[0\]: found .* fs.reporters.Function"):
            sim.run(1)
    assert sim.step == 0


def test_a_force_callback_is_collected_with_its_simulation(simulate):
    sim = simulate(replicas=1)
    gone = weakref.ref(sim)
    sim.set_force_callback(lambda positions, sim=sim: (np.zeros(1), 0 * positions))
    sim.run(1)
    del sim
    gc.collect()
    assert gone() is None


def test_two_simulations_share_a_potential(simulate, ww):
    """Their force callbacks wait for each other."""
    potential = fs.Potential(*ww, backend="cpu")

    def score(positions):
        energies, forces = potential(positions)
        return energies, 0 * forces

    simulations = [simulate(), simulate()]
    threads = []
    for sim in simulations:
        sim.set_force_callback(score)
        threads.append(threading.Thread(target=sim.run, args=(20,), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [sim.step for sim in simulations] == [20, 20]
    assert (simulations[0].positions == simulations[1].positions).all()


SETUP = """
import sys, threading, time
import numpy as np
import flashschnet as fs

sim = fs.Simulation(*sys.argv[1:], replicas=2, dt=0.02, friction=0.5, backend="cpu")
potential = fs.Potential(*sys.argv[1:], backend="cpu")
x = sim.positions
"""


@pytest.mark.parametrize(
    "work",
    [
        "sim.set_force_callback(lambda x: (np.zeros(2), 0 * x)); sim.run(10**9)",
        "sim.reporters.append(fs.reporters.Function(lambda frame: None, every=1)); sim.run(10**9)",
        "while True: potential(x)",
    ],
)
def test_the_end_of_the_interpreter_during_work(ww, work):
    script = f"{SETUP}\ndef work():\n    {work}\n"
    script += "threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.3)\n"
    done = subprocess.run([sys.executable, "-c", script, *ww], timeout=60, capture_output=True)
    assert done.returncode == 0, done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_process_gets_an_error(ww):
    script = SETUP + """
import os
if os.fork() == 0:
    n_errors = 0
    again = lambda: fs.Potential(*sys.argv[1:], backend="cpu")(x)
    for work in (lambda: sim.run(1), lambda: potential(x), again):
        try:
            work()
        except fs.UnsupportedError as error:
            n_errors += "forked" in str(error)
    os._exit(n_errors)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run([sys.executable, "-c", script, *ww], timeout=60, capture_output=True)
    assert done.returncode == 3, done


def test_an_exception_of_a_reporter_ends_the_run(simulate):
    sim = simulate()

    def fail(frame):
        raise KeyError("mine")

    sim.reporters.append(fs.reporters.Function(fail, every=4))
    with pytest.raises(KeyError, match="mine"):
        sim.run(100)
    assert sim.step < 100
    sim.reporters.clear()
    sim.run(1)


def test_a_reporter_cannot_use_the_simulation_that_calls_it(simulate):
    sim = simulate()
    sim.reporters.append(fs.reporters.Function(lambda frame: sim.positions, every=1))
    with pytest.raises(fs.BusyError):
        sim.run(2)
    sim.reporters[:] = [fs.reporters.Function(lambda frame: sim.run(1), every=1)]
    with pytest.raises(fs.BusyError):
        sim.run(2)


def test_threads(simulate):
    sim, begun, counted = simulate(replicas=1), threading.Event(), []
    sim.reporters.append(fs.reporters.Function(lambda frame: begun.set(), every=1))

    def work():
        with pytest.raises(KeyError):
            sim.run(10**9)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    # The GIL is free while the engine works.
    for k in range(1000):
        counted.append(k)
    with pytest.raises(fs.BusyError):
        sim.energies

    def stop(frame):
        raise KeyError

    sim.reporters[0].function = stop
    thread.join()
    assert len(counted) == 1000 and sim.step > 0


def test_ctrl_c(ctrl_c, simulate, tmp_path):
    sim = simulate()
    sim.reporters.append(fs.reporters.Checkpoints(tmp_path, every=10**9))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sim.run(10**9)
    timer.join()
    step = sim.step
    assert step > 0 and fs.Checkpoint.latest(tmp_path).step == step
    sim.run(1)
    assert sim.step == step + 1


def test_options(simulate, tmp_path):
    sim = simulate(
        replicas=None,
        temperature=None,
        exchange_interval=5,
        ladder=[300, 330, 4],
        observables=["rg", "end-to-end"],
    )
    assert len(sim) == 4 and len(set(np.round(sim.temperatures, 6))) == 4
    labels = []
    sim.reporters.append(fs.reporters.Function(lambda frame: labels.append(frame.labels), every=10))
    sim.reporters.append(fs.reporters.XTC(tmp_path / "ladder", every=10))
    sim.run(20)
    assert sorted(labels[0]) == [0, 1, 2, 3]
    assert (tmp_path / "ladder/acceptance.csv").read_text().count("\n") > 1
    assert list(sim.observables) == ["rg", "end_to_end"] and (sim.observables["rg"] > 1).all()
    bias = tmp_path / "bias.toml"
    bias.write_text(
        '[[bias]]\nname = "spring"\nvariable = "distance"\nbeads = [0, 5]\nform = "harmonic"\n'
        "k = 1.0\ncenter = 15.0\n"
    )
    value, energy = simulate(bias=bias).biases["spring"]
    assert np.allclose(energy, (value - 15.0) ** 2)
    for name, value, message in [
        ("steps", 5, "no such option"),
        ("friktion", 5, "friktion"),
        ("replicas", 0, "replicas: found 0"),
        ("dt", "long", "dt: found long"),
    ]:
        with pytest.raises((fs.InvalidError, fs.OptionError), match=message):
            simulate(**{name: value})


def test_blow_up(simulate):
    sim = simulate()
    v = sim.velocities
    v[1] *= 1e3
    sim.velocities = v
    with pytest.raises(fs.BlowUpError) as raised:
        sim.run(10)
    assert raised.value.replica == 1 and raised.value.step == 1
    assert sim.frozen == [1]
    with pytest.raises(fs.InvalidError, match="replica: found 9"):
        sim.reset(1, 9)
    assert sim.frozen == [1]
    sim.reset(*sim.frozen)
    assert sim.frozen == []
    sim.run(5)


def test_progress(simulate):
    import io

    sim, text = simulate(), io.StringIO()
    sim.reporters.append(fs.reporters.Progress(text))
    sim.run(20)
    assert "100%  step 20, " in text.getvalue()
