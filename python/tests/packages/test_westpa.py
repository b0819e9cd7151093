"""The example of a propagator for WESTPA."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

EXAMPLE = Path(__file__).parents[2] / "examples/westpa_propagator.py"

CONFIG = """
west:
  system:
    system_options:
      pcoord_ndim: 1
      pcoord_len: 3
      pcoord_dtype: !!python/name:numpy.float64
      bins:
        type: RectilinearBinMapper
        boundaries: [[0.0, 20.0, 40.0, 60.0, 80.0, .inf]]
      bin_target_counts: 3
  propagation:
    propagator: westpa_propagator.Propagator
    max_total_iterations: 3
    block_size: 100
  data:
    west_data_file: west.h5
  flashschnet:
    model: model.pt
    structures: structures.pt
    steps: 20
    options: {temperature: 300, dt: 0.02, friction: 0.5, seed: 1, backend: cpu}
"""


def test_three_iterations(ww, tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    shutil.copy(ww[0], tmp_path / "model.pt")
    shutil.copy(ww[1], tmp_path / "structures.pt")
    (tmp_path / "west.cfg").write_text(CONFIG)
    commands = Path(sys.executable).parent
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | dict(WEST_SIM_ROOT=str(tmp_path), PYTHONPATH=path)

    def call(*arguments):
        command = [str(commands / arguments[0]), *arguments[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    call("w_init", "--bstate", "extended,1.0", "--segs-per-state", "3")
    call("w_run", "--work-manager", "serial")
    with h5py.File(tmp_path / "west.h5") as file:
        for n in (2, 3):
            before, after = (file[f"iterations/iter_{k:08d}"] for k in (n - 1, n))
            parents = after["seg_index"]["parent_id"]
            # Segments go on where their parents ended.
            assert np.allclose(after["pcoord"][:, 0], before["pcoord"][:][parents, -1])
            assert (after["pcoord"][:, -1] != after["pcoord"][:, 0]).all()
            assert np.isclose(after["seg_index"]["weight"].sum(), 1.0)
            ends = after["auxdata/positions"][:]
            distance = np.linalg.norm(ends[:, -1] - ends[:, 0], axis=-1)
            assert np.allclose(distance, after["pcoord"][:, -1, 0])
