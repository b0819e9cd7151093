"""Models and structures."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from . import _native
from ._arrays import real
from ._native import Model, Structures
from ._options import Path, command
from .errors import invalid


def load(
    model: Path,
    structures: Path | Sequence[Path] | None = None,
    *,
    priors: Path | None = None,
    topology: Path | None = None,
    pdb_model: str | int | None = None,
    forceterms: Sequence[str] | None = None,
    exclusions: Sequence[str] | None = None,
    embeddings: Any = None,
) -> tuple[Model, Structures]:
    """The model and the structures of files: native files, those of mlcg, flashmd and TorchMD, and PDB and
    mmCIF files as structures. The keywords are the options of `flashschnet energy`."""
    values = dict(
        model=model,
        structures=structures,
        priors=priors,
        topology=topology,
        pdb_model=pdb_model,
        forceterms=forceterms,
        exclusions=exclusions,
        embeddings=embeddings,
    )
    return _native.load(command("energy", [], values))


def builtin() -> tuple[Model, Structures]:
    """The model and the structure of the built-in system: 269 beads whose motion says nothing about any
    protein."""
    return _native.builtin()


def structure(
    types: Sequence[int],
    positions: Any,
    *,
    masses: Any = None,
    lists: Mapping[str, Any] | None = None,
    velocities: Any = None,
) -> Structures:
    """A structure of arrays.

    `types` are rows of the model's embedding, `positions` are in Å and `velocities` in Å/ps, `(N, 3)`.
    `masses`, amu, are needed for dynamics with velocities. `lists` has the tuples of beads of each prior by
    its name, `(n, 2)` to `(n, 4)`.
    """
    tuples = []
    for name, beads in (lists or {}).items():
        array = real(f"lists[{name!r}]", beads)
        if array.ndim != 2 or not 2 <= array.shape[1] <= 4 or (array < 0).any() or (array % 1).any():
            raise invalid(f"lists[{name!r}]", f"the shape {array.shape}", "beads, (n, 2) to (n, 4)")
        tuples.append((name, array.shape[1], array.astype(int).tolist()))
    place = real("positions", positions)
    motion = None if velocities is None else real("velocities", velocities)
    for field, given in (("positions", place), ("velocities", motion)):
        if given is not None and (given.ndim != 2 or given.shape[1] != 3):
            raise invalid(field, f"the shape {given.shape}", "(N, 3)")
    numbers = [] if masses is None else real("masses", masses).ravel().tolist()
    kinds = real("types", types).ravel()
    if (kinds < 0).any() or (kinds % 1).any():
        raise invalid("types", "other numbers", "whole numbers >= 0")
    return Structures.from_arrays(kinds.astype(int).tolist(), place, numbers, tuples, motion)
