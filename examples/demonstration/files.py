"""Native files of flashschnet: models and structures of the demonstration. src/io/native/mod.rs
documents the format."""

import json
import struct

import numpy as np

import teacher as classical


def write_safetensors(path, kind, hyperparameters, tensors):
    metadata = {"format": kind, "version": "1", "hyperparameters": json.dumps(hyperparameters)}
    header, parts, end = {"__metadata__": metadata}, [], 0
    for name, values in tensors.items():
        values = np.ascontiguousarray(values)
        dtype = {"f": "F", "u": "U"}[values.dtype.kind] + str(8 * values.itemsize)
        offsets = [end, end + values.nbytes]
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": offsets}
        parts.append(values.tobytes())
        end = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read_safetensors(path):
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8", "U32": "<u4", "I64": "<i8"}

    def tensor(entry):
        first, last = (start + offset for offset in entry["data_offsets"])
        return np.frombuffer(content[first:last], types[entry["dtype"]]).reshape(entry["shape"])

    return {name: tensor(entry) for name, entry in header.items()}


def real(values):
    """F32 if that represents all values, else F64."""
    values = np.asarray(values, float)
    exact = (values.astype(np.float32) == values).all()
    return values.astype(np.float32) if exact else values


def priors(potential):
    """Name, form, bead tuples and parameters of the terms."""
    n = len(potential.native)
    chain = lambda order: np.arange(n - order + 1)[:, None] + np.arange(order)
    c = classical
    square = [0, 0, c.K_ANGLE, -2 * c.K_ANGLE * c.COS_ANGLE, c.K_SINE, c.K_ANGLE * c.COS_ANGLE**2]
    torsions = np.column_stack([np.zeros(n - 3), potential.dihedrals])
    pairs = potential.repelling
    return [
        ("bonds", {"kind": "harmonic_bond"}, chain(2), [[c.K_BOND, c.R_BOND, 0]] * (n - 1)),
        ("angles", {"kind": "restricted_quartic"}, chain(3), [square] * (n - 2)),
        ("dihedrals", {"kind": "dihedral", "degree": 1}, chain(4), torsions),
        ("repulsion", {"kind": "repulsion"}, pairs, [[potential.sigma]] * len(pairs)),
    ]


def write_model(path, potential, hyper=None, tensors=()):
    """The network, if there is one, and the priors."""
    terms, tensors = [], dict(tensors)
    for name, form, _, values in priors(potential):
        terms.append({"name": name, "form": form, "parameters": "per_tuple", "n_rows": len(values)})
        tensors[f"prior/{name}/values"] = real(values)
    write_safetensors(path, "flashschnet-model", {"schnet": hyper, "priors": terms}, tensors)


def write_structures(path, potential, frames):
    n = len(potential.native)
    tensors = {"topology0.types": np.arange(n, dtype=np.uint32),
               "topology0.masses": real([classical.MASS] * n)}
    lists = []
    for k, (name, _, tuples, _) in enumerate(priors(potential)):
        lists.append({"name": name, "order": tuples.shape[1], "n_tuples": len(tuples)})
        tensors[f"topology0.list{k}"] = tuples.astype(np.uint32)
    tensors["topology_of"] = np.zeros(len(frames), np.uint32)
    tensors["positions"] = real(frames).reshape(-1, 3)
    tensors["velocities_of"] = np.zeros(0, np.uint32)
    tensors["velocities"] = np.zeros((0, 3), np.float32)
    contents = {"n_structures": len(frames), "topologies": [{"n_beads": n, "lists": lists}]}
    write_safetensors(path, "flashschnet-structures", contents, tensors)
