"""Cases of reference data, and the built-in system."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest

import flashschnet as fs
from flashschnet import _native

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = ["cloud_h32_f16_k9_gauss_trainable", "cloud_variant_extended_exp", "priors_all_forms"]
FURTHER = ["cln_ca_real", "odd_h96_f64_k17_gauss_tanh", "enh269_expnormal", "enh269_gaussian"]
REFERENCE = os.environ.get("FLASHSCHNET_REFERENCE")
CASES = [ROOT / "tests/data" / f"{name}.json" for name in BUILT_IN]
if REFERENCE:
    CASES += [Path(REFERENCE) / f"{name}.json" for name in FURTHER]


def pytest_terminal_summary(terminalreporter):
    if not REFERENCE:
        terminalreporter.write_line(
            "FLASHSCHNET_REFERENCE is not set: only the cases in tests/data were computed"
        )


@pytest.fixture
def ctrl_c():
    """Python's handler of Ctrl-C. In the background of a shell, Python starts without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass
class Case:
    """A static case: results in f64 for positions, and the errors that f32 may have."""

    model: fs.Model
    structures: fs.Structures
    positions: np.ndarray
    energies: np.ndarray
    forces: np.ndarray
    energy_error: np.ndarray
    force_error: float

    @cached_property
    def potential(self) -> fs.Potential:
        """The potential on the CPU. To fit its tables takes longer than all else."""
        return fs.Potential(self.model, self.structures, backend="cpu")

    def check(self, energies, forces, unit=1.0):
        """Compares results in another unit of energy."""
        error = np.abs(np.asarray(energies) / unit - self.energies)
        assert (error <= self.energy_error).all(), (error, self.energy_error)
        error = np.abs(np.asarray(forces) / unit - self.forces).max()
        assert error <= self.force_error, (error, self.force_error)


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    kinds = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1", "I8": "i1"}
    found = {}
    for name, about in json.loads(data[8:end]).items():
        if name != "__metadata__":
            first, last = about["data_offsets"]
            numbers = np.frombuffer(data[end + first : end + last], kinds[about["dtype"]])
            found[name] = numbers.reshape(about["shape"])
    return found


@pytest.fixture(params=CASES, ids=lambda path: path.stem)
def case(request) -> Case:
    return read_case(request.param)


@cache
def read_case(path: Path) -> Case:
    """The case with a manifest."""
    manifest = json.loads(path.read_text())
    data = tensors(path.parent / manifest["file"])
    model, structures = _native.load_case(path)
    observed = manifest["f32_vs_f64_observed"]
    energies = data["out/f64/energy_total"]
    return Case(
        model,
        structures,
        data["system/pos"].astype(float),
        energies,
        data["out/f64/forces_total"],
        # The tolerances of `flashschnet verify`.
        5 * observed["energy_total"]["max_abs_err"] + 1e-6 * np.abs(energies),
        5 * observed["forces_total"]["max_abs_err"],
    )


@pytest.fixture(scope="session")
def cloud():
    """A small model without priors, and its structures."""
    return _native.load_case(CASES[0])


@pytest.fixture(scope="session")
def ww():
    """The model of the demonstration and its extended chains."""
    folder = ROOT / "examples/demonstration"
    return folder / "ww.model.safetensors", folder / "ww_extended.structures.safetensors"


@pytest.fixture
def simulate(ww):
    """Makes a simulation of the demonstration on the CPU."""

    def make(**options):
        usual = dict(replicas=3, dt=0.02, friction=0.5, seed=5, backend="cpu")
        return fs.Simulation(*ww, **(usual | options))

    return make


@pytest.fixture(scope="session")
def keyed(tmp_path_factory):
    """A model of priors by bead types, and a PDB file with CA atoms for it."""
    path = tmp_path_factory.mktemp("keyed") / "model.safetensors"
    forms = dict(
        bonds=(dict(kind="harmonic_bond"), 2, [50.0, 3.8, 0.0]),
        angles=(dict(kind="harmonic_angle"), 3, [4.0, -0.2, 0.0]),
        non_bonded=(dict(kind="repulsion"), 2, [3.5]),
        pseudo_ca_dihedral=(dict(kind="dihedral", degree=1), 4, [0.1, 0.1, 0.0]),
    )
    priors, header, data = [], {}, b""
    for name, (form, order, values) in forms.items():
        # All tuples of the types of CA beads.
        keys = 1 + np.indices([20] * order, "<u4").reshape(order, -1).T
        numbers = np.tile(np.array(values, "<f4"), (len(keys), 1))
        priors.append(dict(name=name, form=form, parameters="keyed", n_rows=len(keys)))
        for part, kind, array in (("keys", "U32", keys.astype("<u4")), ("values", "F32", numbers)):
            offsets = [len(data), len(data) + array.nbytes]
            data += array.tobytes()
            about = dict(dtype=kind, shape=array.shape, data_offsets=offsets)
            header[f"prior/{name}/{part}"] = about
    text = json.dumps(dict(schnet=None, priors=priors))
    about = dict(format="flashschnet-model", version="1", hyperparameters=text)
    text = json.dumps({"__metadata__": about} | header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path, ROOT / "examples/demonstration/ww_domain_ca.pdb"
