"""Models of priors alone and their structures, as files for the program."""

import json
import os
import struct

import numpy as np


def safetensors(path, metadata, tensors):
    """Writes arrays in the layout of native files."""
    header, data = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        kind = {"float32": "F32", "float64": "F64", "uint32": "U32"}[str(array.dtype)]
        raw = np.ascontiguousarray(array).tobytes()
        ends = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": ends}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def system(folder, positions, mass, terms, types=None):
    """A model of priors alone and a structure. `terms`: (name, form, tuples, rows of parameters). The
    rows of a dihedral are v0, the coefficients of sines, and as many of cosines.
    `types`: one for each bead, by default 0."""
    n = len(positions)
    def prior(name, form, tuples, rows):
        of_form = {"kind": form}
        if form == "dihedral":
            of_form["degree"] = np.shape(rows)[1] // 2
        return {"name": name, "form": of_form, "parameters": "per_tuple", "n_rows": len(tuples)}

    priors = [prior(*term) for term in terms]
    hyper = json.dumps({"schnet": None, "priors": priors})
    metadata = {"format": "flashschnet-model", "version": "1", "hyperparameters": hyper}
    values = {f"prior/{name}/values": np.array(rows, np.float64) for name, _, _, rows in terms}
    model = os.path.join(folder, "model.safetensors")
    safetensors(model, metadata, values)
    lists = [
        {"name": name, "order": np.shape(tuples)[1], "n_tuples": len(tuples)}
        for name, _, tuples, _ in terms
    ]
    hyper = json.dumps({"n_structures": 1, "topologies": [{"n_beads": n, "lists": lists}]})
    metadata = {"format": "flashschnet-structures", "version": "1", "hyperparameters": hyper}
    tensors = {
        "topology0.types": np.array([0] * n if types is None else types, np.uint32),
        "topology0.masses": np.full(n, mass, np.float64),
        "topology_of": np.zeros(1, np.uint32),
        "positions": np.array(positions, np.float64),
        "velocities_of": np.zeros(0, np.uint32),
        "velocities": np.zeros((0, 3), np.float64),
    }
    for k, (_, _, tuples, _) in enumerate(terms):
        tensors[f"topology0.list{k}"] = np.array(tuples, np.uint32)
    structures = os.path.join(folder, "structures.safetensors")
    safetensors(structures, metadata, tensors)
    return ["--model", model, "--structures", structures]
