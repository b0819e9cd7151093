"""Checks and shapes of arrays."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from .errors import invalid

Array = np.ndarray[Any, np.dtype[np.float64]]


def real(field: str, values: Any) -> Array:
    """The values as an array of float64 in C order; the same array if it is one."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise invalid(field, "rows of different lengths", "an array") from error
    if array.dtype.kind not in "fiu":
        raise invalid(field, f"an array of {array.dtype}", "real numbers")
    return np.ascontiguousarray(array, dtype=np.float64)


def vectors(field: str, values: Any, sizes: Sequence[int], *, finite: bool = False) -> Array:
    """The vectors of all molecules, one after the other, `(sum(sizes), 3)`. They are given as an array or, of
    molecules of different sizes, as a list of arrays. With `finite`, all numbers have to be finite."""
    flat = _flat(field, values, sizes)
    if finite and not np.isfinite(flat).all():
        row = int(np.argmin(np.isfinite(flat).all(axis=1)))
        ends = np.cumsum(sizes)
        k = int(np.searchsorted(ends, row, side="right"))
        bead = row - int(ends[k]) + sizes[k]
        raise invalid(f"{field}[{k}][{bead}]", flat[row].tolist(), "finite numbers")
    return flat


def _flat(field: str, values: Any, sizes: Sequence[int]) -> Array:
    if isinstance(values, (list, tuple)):
        given = [real(f"{field}[{k}]", part) for k, part in enumerate(values)]
        if len(given) != len(sizes):
            raise invalid(field, f"{len(given)} arrays", f"{len(sizes)}")
        for k, (part, size) in enumerate(zip(given, sizes)):
            if part.shape != (size, 3):
                raise invalid(f"{field}[{k}]", f"the shape {part.shape}", f"({size}, 3)")
        return np.concatenate(given) if given else np.zeros((0, 3))
    array = real(field, values)
    shape = (len(sizes), sizes[0] if len(sizes) else 0, 3)
    if array.shape != shape or any(size != sizes[0] for size in sizes):
        uniform = all(size == sizes[0] for size in sizes)
        expected = str(shape) if uniform else "a list of arrays, because the molecules differ in size"
        raise invalid(field, f"the shape {array.shape}", expected)
    return array.reshape(-1, 3)


def shaped(flat: Array, sizes: Sequence[int]) -> Any:
    """The vectors of all replicas as `(n_replicas, n_beads, 3)`, or as a list of arrays of those of each."""
    if all(size == sizes[0] for size in sizes):
        return flat.reshape(len(sizes), sizes[0], 3)
    return np.split(flat, np.cumsum(sizes)[:-1])
