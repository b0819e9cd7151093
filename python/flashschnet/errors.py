"""The exceptions. Each class is that of a variant of `Error` in the Rust library, with its fields as
attributes."""

from __future__ import annotations

import re
from typing import Any


class Error(Exception):
    """The base of all exceptions of this package."""

    def __str__(self) -> str:
        # That of OSError would build another text of errno and filename.
        return str(self.args[0]) if self.args else ""


class IoError(Error, OSError):
    """A file could not be read or written: `filename`, `errno`, `strerror`."""


class InvalidError(Error, ValueError):
    """A value is wrong: `origin` (the file, if there is one), `field`, `found`, `expected`."""

    origin: str
    field: str
    found: str
    expected: str


class OptionError(Error, ValueError):
    """There is no option of this name, or its value is wrong."""

    def __init__(self, message: str) -> None:
        # Options have the names of Python's keywords.
        text = re.sub(r"--([a-z][a-z0-9-]*)", lambda name: name[1].replace("-", "_"), message)
        of_command_lines = r"\n\n(?:Usage:|For more information)[\s\S]*|\n\n  tip: to pass [^\n]*"
        super().__init__(re.sub(of_command_lines, "", text).strip())


class UnsupportedError(Error):
    """The input is valid, but this version does not support it: `origin`, `what`, `advice`."""

    origin: str
    what: str
    advice: str


class StructureError(Error):
    """A system cannot be made from a structure file: `origin`, `kind`, `what`, `lines`."""

    origin: str
    kind: str
    what: str
    lines: list[str]


class ExistsError(Error, FileExistsError):
    """The output exists already: `filename`."""


class NoAdapterError(Error):
    """There is no usable device: `found`, `advice`."""

    found: str
    advice: str


class OutOfMemoryError(Error, MemoryError):
    """A job needs more memory than there is: `what`, `needed`, `available`, `fits`, `advice`."""

    what: str
    needed: int
    available: int
    fits: int | None
    advice: str


class GpuError(Error):
    """The driver of the GPU reported an error: `during`, `message`."""

    during: str
    message: str


class DeviceLostError(Error):
    """The GPU no longer responds: `during`, `message`."""

    during: str
    message: str


class WrongResultsError(Error):
    """The GPU computes wrongly: `device`, `found`."""

    device: str
    found: str


class BlowUpError(Error):
    """A replica exceeded a limit: `replica`, `step`, `what`, `last_good`, `advice`."""

    replica: int
    step: int
    what: str
    last_good: int | None
    advice: str


class OverlapError(Error):
    """Beads are in one place, where the energy is not defined: `replica`, `what`."""

    replica: int
    what: str


class TooManyNeighborsError(Error):
    """A bead has more neighbors than the model allows: `replica`, `bead`, `found`, `limit`."""

    replica: int
    bead: int
    found: int
    limit: int


class BusyError(Error, RuntimeError):
    """The simulation works, in another thread or in the call that calls a reporter or a force callback."""


def invalid(field: str, found: Any, expected: str) -> InvalidError:
    """The exception of a wrong argument."""
    error = InvalidError(f"{field}: found {found}, expected {expected}")
    error.origin, error.field, error.found, error.expected = "", field, str(found), expected
    return error
