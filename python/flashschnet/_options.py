"""Keywords as options of the program's command line, which checks them."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ._native import Model, Structures
from .errors import invalid

#: A model or structures: an object, or the path of a file.
Path = str | os.PathLike


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise invalid(name, value, f"a whole number >= {least}")
    return value.__index__()


def text(value: Any) -> str:
    """The text of a value. Numbers have commas between them."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        pairs = [":".join(map(text, one)) if isinstance(one, tuple) else text(one) for one in value]
        return ",".join(pairs)
    return repr(value)


def options(values: Mapping[str, Any]) -> list[str]:
    """Options of the command line. None and False are left out, and True is an option without a value. A
    list of texts or paths repeats its option."""
    arguments = []
    for name, value in values.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            arguments.append(flag)
        elif isinstance(value, (list, tuple)) and all(
            isinstance(one, (str, os.PathLike)) for one in value
        ):
            arguments += [f"{flag}={os.fspath(one)}" for one in value]
        else:
            arguments.append(f"{flag}={text(value)}")
    return arguments


def command(name: str, places: list[Any], values: Mapping[str, Any]) -> list[str]:
    """A command line."""
    # Arguments without a name come first, because an option can take several values.
    return ["flashschnet", name, *map(os.fspath, places), *options(values)]


def system(
    name: str, model: Any, structures: Any, values: Mapping[str, Any]
) -> tuple[list[str], tuple[Model, Structures] | None]:
    """A command line, and the objects that take the place of its model and structures."""
    if not isinstance(model, Model) and not isinstance(structures, Structures):
        given = dict(model=model, structures=structures)
        return command(name, [], given | dict(values)), None
    for other in ["priors", "topology", "pdb_model", "forceterms", "exclusions", "embeddings"]:
        if values.get(other) is not None:
            raise invalid(other, values[other], "none, unless model and structures are files")
    if structures is None:
        raise invalid("structures", None, "structures, or a file with them")
    if not isinstance(model, Model):
        model = Model(model)
    if not isinstance(structures, Structures):
        structures = Structures(structures)
    return command(name, [], dict(builtin=True) | dict(values)), (model, structures)
