"""The examples of the README and of the docstrings."""

import doctest
import importlib
import os
import re
import shutil
from pathlib import Path

import pytest

import flashschnet as fs

README = Path(__file__).parents[1] / "README.md"
#: Modules whose packages only tests/long/bindings installs.
OTHERS = ["openmm", "torch"]
#: Set by tests/long/bindings.
ALL = os.environ.get("FLASHSCHNET_PACKAGES") == "all"

CONFIG = """
model = "model.pt"
structures = ["structures.pt"]
observables = "rg,end-to-end"
replicas = 2
steps = 500
"""


def test_the_readme(keyed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, pdb = keyed
    # The content of a file tells its format.
    shutil.copy(model, "model.pt")
    shutil.copy(pdb, "1l2y.pdb")
    fs.prepare(pdb, model=model, output="structures.pt")
    Path("config.toml").write_text(CONFIG)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert len(blocks) > 6
    names = {}
    for block in blocks:
        if ALL or not any(f"flashschnet.{name}" in block for name in OTHERS):
            # CI has a slow processor.
            block = block.replace("sim.run(10_000)", "sim.run(500)").replace("replicas=64", "replicas=2")
            exec(compile(block, "README.md", "exec"), names)
    assert Path("1l2y.system").is_file() and Path("run1/analysis").is_dir()


@pytest.mark.parametrize(
    "name", ["", ".potential", ".simulation", ".reporters", ".ase"] + [".openmm", ".torch"] * ALL
)
def test_docstrings(name):
    found = doctest.testmod(
        importlib.import_module("flashschnet" + name), optionflags=doctest.ELLIPSIS
    )
    assert found.attempted and not found.failed
