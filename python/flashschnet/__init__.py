"""Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once, on any GPU.

>>> import flashschnet as fs
>>> model, structures = fs.builtin()
>>> potential = fs.Potential(model, structures)
>>> potential.sizes
[269]

`fs.Potential` gives energies and forces of positions, and `fs.Simulation` is dynamics. `fs.run`,
`fs.prepare` and `fs.analyze` are the commands of the program `flashschnet`. The modules `flashschnet.ase`,
`flashschnet.openmm` and `flashschnet.torch` are adapters of other packages.

Units: Å, kcal/mol, ps, K, and amu for masses.
"""

from . import reporters
from ._native import Model, Structures, __version__
from .errors import (
    BlowUpError,
    BusyError,
    DeviceLostError,
    Error,
    ExistsError,
    GpuError,
    InvalidError,
    IoError,
    NoAdapterError,
    OptionError,
    OutOfMemoryError,
    OverlapError,
    StructureError,
    TooManyNeighborsError,
    UnsupportedError,
    WrongResultsError,
)
from .potential import Potential
from .program import Analysis, Prepared, Run, analyze, help, prepare, run
from .simulation import Checkpoint, Frame, Simulation
from .system import builtin, load, structure

__all__ = [
    "Analysis",
    "BlowUpError",
    "BusyError",
    "Checkpoint",
    "DeviceLostError",
    "Error",
    "ExistsError",
    "Frame",
    "GpuError",
    "InvalidError",
    "IoError",
    "Model",
    "NoAdapterError",
    "OptionError",
    "OutOfMemoryError",
    "OverlapError",
    "Potential",
    "Prepared",
    "Run",
    "Simulation",
    "StructureError",
    "Structures",
    "TooManyNeighborsError",
    "UnsupportedError",
    "WrongResultsError",
    "__version__",
    "analyze",
    "builtin",
    "help",
    "load",
    "prepare",
    "reporters",
    "run",
    "structure",
]
