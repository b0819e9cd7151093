"""Reporters of a simulation.

A reporter is any object that can be called with a frame and has the attribute `every`, the number of steps
between its frames. With `forces = True` and `terms = True` its frames have forces and energies of terms.

>>> import flashschnet as fs
>>> sim = fs.Simulation(*fs.builtin(), replicas=2, backend="cpu")
>>> sim.reporters.append(fs.reporters.Function(lambda frame: print(frame.step), every=5))
>>> sim.run(10)
5
10
10
"""

from __future__ import annotations

import sys
import time
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Callable

from . import _native
from ._options import Path, whole
from .errors import Error, invalid

if TYPE_CHECKING:
    from .simulation import Frame, Simulation


class Function:
    """Calls a function with each frame. Its result does not count, and an exception ends the run."""

    def __init__(
        self,
        function: Callable[[Frame], Any],
        every: int,
        *,
        forces: bool = False,
        terms: bool = False,
    ) -> None:
        self.function, self.every = function, whole("every", every, 1)
        self.forces, self.terms = forces, terms

    def __call__(self, frame: Frame) -> None:
        self.function(frame)


class Files:
    """The folder of files that `flashschnet run` writes: trajectories, a topology for viewers, `energies.csv`
    and `run.log`. `fs.analyze` reads it if a reporter `Checkpoints` writes to the same folder. Without
    checkpoints, give it the trajectories, `topology` and `temperature`.

    `format` is `"xtc"`, `"dcd"` or `"both"`. With `npy`, `velocities`, `forces` and `terms` there are arrays
    in mlcg's layout too. The files are complete after each run. A folder with files of another run is
    refused.
    """

    def __init__(
        self,
        folder: Path,
        every: int = 250,
        *,
        format: str = "xtc",
        npy: bool = False,
        velocities: bool = False,
        forces: bool = False,
        terms: bool = False,
    ) -> None:
        if format not in ("xtc", "dcd", "both"):
            raise invalid("format", format, "xtc, dcd or both")
        self.folder, self.every = FilePath(folder), whole("every", every, 1)
        options = dict(npy=npy, velocities=velocities, forces=forces, terms=terms)
        self._parts = [name for name, is_wanted in options.items() if is_wanted]
        self._format = format
        #: The native files, which get frames without the GIL.
        self.target: _native.Output | None = None
        self._of: Any = None

    def begin(self, simulation: Simulation, last: int) -> None:
        """Makes the files before the first run."""
        if self.target is None:
            native = simulation._native
            self.target = _native.Output(native, self.folder, self._format, self._parts)
            self._of = native
        elif self._of is not simulation._native:
            raise invalid("reporter", "one of another simulation", "one for each simulation")

    def end(self, simulation: Simulation) -> None:
        """Completes the files."""
        if self.target is not None:
            self.target.finish()

    @property
    def files(self) -> list[FilePath]:
        """The files."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())


class XTC(Files):
    """Files with trajectories in GROMACS' format, rounded to 0.01 Å."""

    def __init__(self, folder: Path, every: int = 250, **options: Any) -> None:
        super().__init__(folder, every, format="xtc", **options)


class DCD(Files):
    """Files with trajectories in CHARMM's format, in single precision."""

    def __init__(self, folder: Path, every: int = 250, **options: Any) -> None:
        super().__init__(folder, every, format="dcd", **options)


class Checkpoints:
    """Saves a checkpoint after every so many steps, and at the end of a run."""

    def __init__(self, folder: Path, every: int = 10_000) -> None:
        self.folder, self.every = FilePath(folder), whole("every", every, 1)

    def pause(self, simulation: Simulation) -> None:
        """Saves one."""
        simulation.save(self.folder)

    def end(self, simulation: Simulation) -> None:
        """Saves the last one, unless the run has failed."""
        if not isinstance(sys.exc_info()[1], Error):
            simulation.save(self.folder)


class Progress:
    """A progress bar: on stderr, or in a notebook under its cell."""

    #: It needs no frames.
    every = 0

    def __init__(self, file: Any = None) -> None:
        self._file = file
        self._bar: Any = None

    def begin(self, simulation: Simulation, last: int) -> None:
        """Starts the bar."""
        from . import notebook

        in_notebook = self._file is None and notebook.is_active()
        kind = notebook.Bar if in_notebook else _Line
        self._bar = kind(self._file or sys.stderr)
        self._first, self._last, self._dt = simulation.step, last, simulation.dt
        self._step, self._start = simulation.step, time.perf_counter()

    def progress(self, step: int) -> None:
        """Shows a step."""
        self._step = step
        seconds = time.perf_counter() - self._start
        speed = (step - self._first) * self._dt * 86.4 / max(seconds, 1e-9)
        share = (step - self._first) / max(self._last - self._first, 1)
        self._bar.show(share, f"step {step}, {speed:.3g} ns/day per replica")

    def end(self, simulation: Simulation) -> None:
        """Ends the bar."""
        self.progress(simulation.step)
        self._bar.close()


class _Line:
    """A bar in a line of text. Where there is no terminal, a line for each tenth."""

    def __init__(self, file: Any) -> None:
        self._file, self._tenths = file, -1
        self._terminal = getattr(file, "isatty", lambda: False)()

    def show(self, share: float, text: str) -> None:
        tenths = int(10 * share)
        if self._terminal:
            bar = "=" * int(20 * share)
            self._file.write(f"\r[{bar:20}] {100 * share:3.0f}%  {text}\x1b[K")
        elif tenths > self._tenths:
            self._file.write(f"{100 * share:3.0f}%  {text}\n")
        self._tenths = tenths
        self._file.flush()

    def close(self) -> None:
        if self._terminal:
            self._file.write("\n")
