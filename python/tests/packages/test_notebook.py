"""A notebook with a progress bar and the report of a run."""

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

CELL = """
import flashschnet as fs
sim = fs.Simulation({model!r}, {structures!r}, replicas=2, dt=0.02, backend="cpu")
sim.reporters.append(fs.reporters.Progress())
sim.run(20)
"""
RUN = """
fs.run(model={model!r}, structures={structures!r}, replicas=2, dt=0.02, steps=20, output="run", backend="cpu")
"""


def test_a_notebook(ww, tmp_path, monkeypatch):
    # With it the kernel shows no text of native code.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    names = dict(model=str(ww[0]), structures=str(ww[1]))
    cells = [nbformat.v4.new_code_cell(text.format(**names)) for text in (CELL, RUN)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    ExecutePreprocessor(timeout=300).preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    bar, report = notebook.cells
    shown = [output.data.get("text/html", "") for output in bar.outputs if "data" in output]
    assert any("<progress value=\"1.0000\"" in text and "step 20" in text for text in shown), shown
    shown = [output.data.get("text/html", "") for output in report.outputs if "data" in output]
    assert any("<iframe srcdoc=" in text for text in shown)
    assert any("20 steps" in output.get("text", "") for output in report.outputs)
