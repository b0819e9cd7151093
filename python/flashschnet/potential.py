"""Energies and forces of given positions."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from . import _native
from ._arrays import Array, real, shaped, vectors
from ._options import Path, system
from .errors import Error, invalid


class Potential:
    """Energies and forces of given positions, any number of conformations at a time.

    >>> import flashschnet as fs
    >>> model, structures = fs.builtin()
    >>> potential = fs.Potential(model, structures, backend="cpu")
    >>> energies, forces = potential(structures.positions()[None])
    >>> energies.shape, forces.shape
    ((1,), (1, 269, 3))

    `model` and `structures` are paths of files, or objects. `structures` gives the molecules, and may be
    None if the model's file holds some. It can be a PDB or mmCIF file if `model` is a file too.

    Units: Å, kcal/mol, kcal/mol/Å. Computation is in f32 with tabulated filters, unless `precision`,
    `filter` or the backend `"reference"` (f64) say otherwise. `backend` is `"auto"`, `"wgpu"`, `"cuda"`,
    `"cpu"` or `"reference"`, and `adapter` the number or a part of the name of a GPU. The other keywords
    are the options of `flashschnet energy`.

    Threads that use one potential at a time wait for each other.
    """

    #: The exceptions of the conformations of the last call that have no result, by their numbers.
    failed: dict[int, Error]

    def __init__(
        self,
        model: _native.Model | Path,
        structures: _native.Structures | Path | Sequence[Path] | None = None,
        *,
        backend: str | None = None,
        adapter: str | int | None = None,
        precision: str | None = None,
        filter: str | None = None,
        table_tolerance: float | None = None,
        portable: bool = False,
        trust_device: bool = False,
        priors: Path | None = None,
        topology: Path | None = None,
        pdb_model: str | int | None = None,
        forceterms: Sequence[str] | None = None,
        exclusions: Sequence[str] | None = None,
        embeddings: Any = None,
    ) -> None:
        values = dict(
            backend=backend,
            adapter=adapter,
            precision=precision,
            filter=filter,
            table_tolerance=table_tolerance,
            portable=portable,
            trust_device=trust_device,
            priors=priors,
            topology=topology,
            pdb_model=pdb_model,
            forceterms=forceterms,
            exclusions=exclusions,
            embeddings=embeddings,
        )
        self._native = _native.Potential(*system("energy", model, structures, values))
        self.failed = {}

    @property
    def sizes(self) -> list[int]:
        """The number of beads of each molecule. Structures with equal topologies share a molecule."""
        return self._native.sizes

    @property
    def types(self) -> list[list[int]]:
        """The types of the beads of each molecule."""
        return self._native.types

    @property
    def molecules(self) -> list[int]:
        """The molecule of each structure."""
        return self._native.molecules

    @property
    def term_names(self) -> list[str]:
        """The names of the terms: the network, and the priors."""
        return self._native.terms

    @property
    def backend(self) -> str:
        """`"wgpu"`, `"cuda"`, `"cpu"` or `"reference"`."""
        return self._native.backend

    @property
    def device(self) -> str | None:
        """The name of the GPU, if there is one."""
        return self._native.device

    def __call__(
        self,
        positions: Any,
        *,
        molecules: Sequence[int] | None = None,
        out: tuple[Any, Any] | None = None,
        forces: bool = True,
        strict: bool = False,
    ) -> Any:
        """Energies, kcal/mol, and forces, kcal/mol/Å.

        `positions`, Å, has the shape `(B, N, 3)`; the results have `(B,)` and `(B, N, 3)`. For one
        conformation, `(N, 3)`, they have `()` and `(N, 3)`. With several molecules, `molecules` has the
        number of the molecule of each conformation. If these differ in size, positions and forces are
        lists of arrays.

        `out=(energies, forces)` are arrays of float64 or float32 to which the results are written, and
        which are returned. With `forces=False` there are only energies, and `out[1]` is not used.

        A conformation without a result, for example with a NaN, has the energy NaN, and `failed` has its
        exception. With `strict=True` the first one is raised.
        """
        single = not isinstance(positions, (list, tuple)) and np.ndim(positions) == 2
        if single:
            positions = np.asarray(positions)[None]
        of, sizes, flat = self._items(positions, molecules)
        if out is not None and not (isinstance(out, (list, tuple)) and len(out) == 2):
            raise invalid("out", type(out).__name__, "a pair of arrays for energies and forces")
        energy, force = out if out is not None else (None, None)
        if any(isinstance(to, np.ndarray) and np.may_share_memory(to, flat) for to in (energy, force)):
            flat = flat.copy()
        shape = () if single else (len(of),)
        energies = self._buffer("out[0]", energy, shape)
        places: Any = None
        parts = None
        if forces:
            uniform = all(size == sizes[0] for size in sizes)
            if force is None or uniform:
                shape = (*shape, sizes[0], 3) if uniform and sizes else (len(flat), 3)
                places = self._buffer("out[1]", force, shape)
            else:
                if not isinstance(force, (list, tuple)) or len(force) != len(of):
                    raise invalid("out[1]", type(force).__name__, f"a list of {len(of)} arrays")
                parts = [
                    self._buffer(f"out[1][{k}]", part, (size, 3))
                    for k, (part, size) in enumerate(zip(force, sizes))
                ]
                places = np.empty((len(flat), 3))
        self._evaluate(of, flat, [None], [energies], None if places is None else [places], strict)
        # Indexing with () makes numbers of arrays without axes.
        if not forces:
            return energies[()]
        if parts is not None:
            for part, found in zip(parts, np.split(places, np.cumsum(sizes)[:-1])):
                part[...] = found
            return energies, parts
        if force is None and not single and places.ndim == 2:
            return energies, shaped(places, sizes)
        return energies[()] if energy is None else energies, places

    def terms(
        self, positions: Any, *, molecules: Sequence[int] | None = None, strict: bool = False
    ) -> dict[str, Array]:
        """The energy of each term, kcal/mol, by its name, `(B,)`. `positions` as for a call."""
        if not isinstance(positions, (list, tuple)) and np.ndim(positions) == 2:
            positions = np.asarray(positions)[None]
        of, _, flat = self._items(positions, molecules)
        found = {name: np.empty(len(of)) for name in self.term_names}
        self._evaluate(of, flat, list(range(len(found))), list(found.values()), None, strict)
        return found

    def _items(
        self, positions: Any, molecules: Sequence[int] | None
    ) -> tuple[list[int], list[int], Array]:
        """The molecule of each conformation, its number of beads, and all positions."""
        if isinstance(positions, (list, tuple)) and len(positions) and np.ndim(positions[0]) == 2:
            n_items = len(positions)
        else:
            positions = real("positions", positions)
            if positions.ndim != 3:
                raise invalid("positions", f"the shape {positions.shape}", "(B, N, 3) or (N, 3)")
            n_items = len(positions)
        if molecules is None:
            if len(self.sizes) > 1:
                expected = "the molecule of each conformation, because there are several"
                raise invalid("molecules", None, expected)
            molecules = [0] * n_items
        of = [int(molecule) for molecule in molecules]
        if len(of) != n_items:
            raise invalid("molecules", f"{len(of)}", f"{n_items}, one for each conformation")
        for k, molecule in enumerate(of):
            if not 0 <= molecule < len(self.sizes):
                expected = f"a molecule from 0 to {len(self.sizes) - 1}"
                raise invalid(f"molecules[{k}]", molecule, expected)
        sizes = [self.sizes[molecule] for molecule in of]
        if not of:
            return of, [self.sizes[0]], np.zeros((0, 3))
        return of, sizes, vectors("positions", positions, sizes)

    @staticmethod
    def _buffer(field: str, given: Any, shape: tuple[int, ...]) -> Any:
        """The array that is given for results, or a new one."""
        if given is None:
            return np.empty(shape)
        if not isinstance(given, np.ndarray) or given.dtype.char not in "fd":
            kind = given.dtype if isinstance(given, np.ndarray) else type(given).__name__
            raise invalid(field, kind, "an array of float64 or float32")
        if given.shape != shape:
            raise invalid(field, f"the shape {given.shape}", str(shape))
        if not given.flags.writeable:
            raise invalid(field, "an array that cannot be written", "one that can")
        return given

    def _evaluate(
        self,
        molecules: list[int],
        flat: Array,
        terms: list[int | None],
        energies: list[Any],
        forces: list[Any] | None,
        strict: bool,
    ) -> None:
        """Evaluates terms into arrays."""
        own = _places(energies, (len(terms), len(molecules)))
        own_forces = None if forces is None else _places(forces, (len(terms), len(flat), 3))
        # Another thread may replace the attribute at once.
        failed = self.failed = self._native.evaluate(molecules, flat, terms, own, own_forces)
        for kept, to in ((own, energies), (own_forces, forces)):
            if kept is not None and to is not None:
                for row, array in zip(kept, to):
                    if not np.shares_memory(row, array):
                        array[...] = row.reshape(array.shape)
        if strict and failed:
            first = failed[min(failed)]
            named = type(first)(f"conformation {min(failed)}: {first}")
            named.__dict__.update(first.__dict__)
            raise named

    def __repr__(self) -> str:
        place = self.device or self.backend
        return f"<flashschnet.Potential of {self.sizes} beads on {place}>"


def _places(arrays: list[Any], shape: tuple[int, ...]) -> Any:
    """The place of results: the array itself if there is one and it fits, otherwise a new one."""
    if len(arrays) == 1 and arrays[0].dtype == np.float64 and arrays[0].flags.c_contiguous:
        return arrays[0].reshape(shape)
    return np.empty(shape)
