"""The commands of the program as functions."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import flashschnet as fs

CONFIG = """
model = "{model}"
structures = ["{structures}"]
replicas = 2
steps = 20
dt = 0.02
save-interval = 10
backend = "cpu"
"""


@pytest.fixture
def config(ww, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(model=ww[0], structures=ww[1]) + 'output = "of_config"\n')
    return path


def test_run_and_analyze(config, tmp_path):
    run = fs.run(config)
    assert run.folder == tmp_path / "of_config" and run.finished
    assert run.report.is_file() and {"energies.csv", "run.log"} <= {f.name for f in run.files}
    assert list(run.energies["step"]) == [10, 10, 20, 20]
    assert "srcdoc=" in run._repr_html_()
    other = fs.run(config, output=tmp_path / "other", seed=8, observables=["rg", "end-to-end"])
    assert (other.energies["potential"] != run.energies["potential"]).any() if (
        "potential" in run.energies
    ) else len(other.energies) > len(run.energies)
    analysis = fs.analyze(other, bins=5, blocks=2)
    assert analysis.folder == tmp_path / "other/analysis" and analysis.files
    assert analysis._repr_html_() is not None
    tables = [file.name for file in analysis.files if file.suffix == ".csv"]
    assert all(analysis.table(name) for name in tables)
    summary = analysis.table("summary.csv")
    texts = [name for name, column in summary.items() if column.dtype.kind == "U"]
    assert texts and all(summary[name].dtype == float for name in summary if name not in texts)
    resumed = fs.run(resume=other, steps=40)
    assert sorted(set(resumed.energies["step"])) == [10, 20, 30, 40]
    with pytest.raises(fs.ExistsError):
        fs.run(config)


def test_prepare(keyed, tmp_path):
    model, pdb = keyed
    prepared = fs.prepare(pdb, model=model, output=tmp_path / "ww.system")
    assert prepared.path.is_file()
    assert fs.Potential(model, prepared, backend="cpu").sizes == [28]
    with pytest.raises(fs.ExistsError):
        fs.prepare(pdb, model=model, output=prepared)
    chain = fs.prepare(sequence="GYDPETGTWG", model=model, output=tmp_path / "chain.system")
    assert fs.Potential(model, chain, backend="cpu").sizes == [10]


def test_errors(config, tmp_path):
    with pytest.raises(fs.OptionError, match="save_intervall"):
        fs.run(config, save_intervall=5)
    with pytest.raises(fs.InvalidError, match="dt"):
        fs.run(config, output=tmp_path / "none", dt=-1.0)
    with pytest.raises(fs.IoError):
        fs.run(tmp_path / "missing.toml", output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_max_hours_is_no_error(config, tmp_path):
    run = fs.run(config, output=tmp_path / "short", steps=10**9, max_hours=1e-4)
    assert not run.finished


def interrupt_later(number, folder):
    """Sends a signal once the run has begun."""

    def work():
        while not (folder / "checkpoint.safetensors").exists():
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_ctrl_c(ctrl_c, config, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    for name in ("first", "second"):
        thread = interrupt_later(signal.SIGINT, tmp_path / name)
        with pytest.raises(KeyboardInterrupt):
            fs.run(config, output=tmp_path / name, steps=10**9)
        thread.join()
        assert signal.getsignal(signal.SIGINT) is before
        # Python has its own handler again.
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
    step = fs.Checkpoint.latest(tmp_path / "first").step
    assert step > 0


def test_other_signals_have_their_effect_after_the_checkpoint(config, tmp_path):
    came = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    try:
        thread = interrupt_later(signal.SIGUSR1, tmp_path / "run")
        with pytest.raises(KeyboardInterrupt):
            fs.run(config, output=tmp_path / "run", steps=10**9)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == [signal.SIGUSR1]
    assert fs.Checkpoint.latest(tmp_path / "run").step > 0


def test_the_command(tmp_path):
    call = "import sys, flashschnet.program as p; sys.argv[1:] = {}; p.main()"

    def run(*arguments):
        code = call.format(list(arguments))
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    shown = run("--version")
    assert shown.returncode == 0 and shown.stdout == f"flashschnet {fs.__version__}\n"
    wrong = run("run", "--bulitin")
    assert wrong.returncode == 2 and "--builtin" in wrong.stderr and "Traceback" not in wrong.stderr
    failed = run("energy", "--model", str(tmp_path / "none.pt"))
    assert failed.returncode == 1 and failed.stderr.startswith("error: ")


def test_help(capfd):
    fs.help("run")
    assert "--save-interval" in capfd.readouterr().out
    for thing in (fs.Potential, fs.Simulation, fs.run, fs.Model, fs.Structures, fs.reporters.XTC):
        assert len(thing.__doc__) > 60, thing
