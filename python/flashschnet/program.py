"""The commands of the program `flashschnet`, as functions.

A keyword is an option: `save_interval=250` is `--save-interval 250`, True is an option without a value, and a
list has several values. `flashschnet COMMAND --help`, or `fs.help("run")`, describes all options.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
from pathlib import Path as FilePath
from typing import Any, Sequence

import numpy as np

from . import _native, notebook
from ._arrays import Array
from ._options import Path, command
from .errors import Error


class Folder:
    """A folder of results. A notebook shows its report."""

    def __init__(self, folder: Path, report: FilePath | None = None) -> None:
        #: The folder.
        self.folder = FilePath(folder)
        #: The page about the results.
        self.report = report or self.folder / "report.html"

    @property
    def files(self) -> list[FilePath]:
        """The files."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def table(self, name: str) -> dict[str, Array]:
        """The columns of a CSV file, by their names: of numbers, NaN for an empty cell, or of texts."""
        with open(self.folder / name, newline="") as file:
            rows = csv.reader(file)
            names = next(rows)
            columns = list(zip(*rows)) or [()] * len(names)
        return {name: _column(cells) for name, cells in zip(names, columns)}

    def _repr_html_(self) -> str | None:
        if not self.report.is_file():
            return None
        return notebook.frame(self.report.read_text(encoding="utf-8"))

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    def __repr__(self) -> str:
        return f"<flashschnet.{type(self).__name__} in {str(self.folder)!r}>"


def _column(cells: Sequence[str]) -> Array:
    """The cells of a table's column as numbers, or as texts if one of them is none."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=float)
    except ValueError:
        return np.array(cells)


class Run(Folder):
    """The folder of a run."""

    def __init__(self, folder: Path, finished: bool) -> None:
        super().__init__(folder)
        #: Whether all steps are done. `fs.run(resume=folder)` continues a run that `max_hours` has stopped.
        self.finished = finished

    @property
    def energies(self) -> dict[str, Array]:
        """The columns of energies.csv, a row for each frame and replica."""
        return self.table("energies.csv")


class Analysis(Folder):
    """The tables of an analysis. `files` lists them, and `table` reads one."""


class Prepared:
    """A file of structures, which other functions take as `structures`."""

    def __init__(self, path: Path) -> None:
        #: The file.
        self.path = FilePath(path)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"<flashschnet.Prepared {str(self.path)!r}>"


def run(config: Path | None = None, *, output: Path | None = None, **options: Any) -> Run:
    """Runs dynamics as `flashschnet run` does, and writes the files of the run to the folder `output`.

    `config` is a configuration file, whose key `output` can name the folder. `resume=folder` continues a run.

    Ctrl-C stops the run with a checkpoint and raises KeyboardInterrupt; so do the signals of batch systems,
    which then have the effect that they have on Python. A second one ends the process at once.
    """
    places = [] if config is None else [config]
    arguments = command("run", places, dict(output=output) | options)
    folder = _native.place(arguments)
    return Run(folder, finished=_execute(arguments) != _TRY_AGAIN)


def prepare(
    source: Path | None = None, *, model: Path, output: Path | None = None, **options: Any
) -> Prepared:
    """Makes structures for a model from a PDB or mmCIF file, or from `sequence="..."`, as `flashschnet prepare`
    does.

    `output` is a new file. Without it the file has the name of the source and the ending `.system`, in the
    present folder.
    """
    if output is None and source is not None:
        output = FilePath(source).with_suffix(".system").name
    places = [] if source is None else [source]
    arguments = command("prepare", places, dict(model=model, output=output) | options)
    path = _native.place(arguments)
    _execute(arguments)
    return Prepared(path)


def analyze(inputs: Path | Sequence[Path], *, output: Path | None = None, **options: Any) -> Analysis:
    """Analyzes the folders of runs, or trajectories with `topology=...`, as `flashschnet analyze` does."""
    places = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    arguments = command("analyze", places, dict(output=output) | options)
    folder = FilePath(_native.place(arguments))
    _execute(arguments)
    of_run = FilePath(places[0]) if output is None else folder
    return Analysis(folder, of_run / "report.html")


def help(name: str | None = None) -> None:
    """Prints the options of a command, for example `fs.help("run")`, or all commands."""
    _native.execute(["flashschnet", *([] if name is None else [name]), "--help"])


def main() -> None:
    """The program `flashschnet`."""
    # Ctrl-C has the effect that it has on other programs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.main(["flashschnet", *sys.argv[1:]]))


#: The exit code of a run that `max_hours` has stopped, and the one above which there are signals.
_TRY_AGAIN, _SIGNALS = 75, 128


def _execute(arguments: list[str]) -> int:
    """Runs a command line. Returns its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    code = _native.execute(arguments)
    if code > _SIGNALS:
        # The handlers of the run are gone: now the signal has its effect on Python.
        signal.raise_signal(code - _SIGNALS)
        raise KeyboardInterrupt(f"signal {code - _SIGNALS}")
    if code not in (0, _TRY_AGAIN):
        raise Error(f"exit code {code}")
    return code
