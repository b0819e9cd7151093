#!/usr/bin/env python3
"""Energies and forces of many conformations in PyTorch, beside the bench `score` on the CPU.

  score_torch.py MODEL STRUCTURES [--threads 2] [--flashschnet target/release/flashschnet]

takes native files, those of `flashschnet import` (for the bench, MODEL and STRUCTURES may be one file
of mlcg). The model has an exp_normal radial basis, cosine cutoffs, and priors of bonds, angles,
dihedrals and repulsion. Conformations of a batch are one graph: edges within the cutoff are found in
each call, messages are added with index_add, and forces come from autograd.

The script compares energies and forces with those of flashschnet, then runs
`cargo bench --bench score -- cpu MODEL STRUCTURES` with the same number of threads, measures PyTorch
as that bench measures, and prints the milliseconds of both for 1,000 conformations.
"""

import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
ITEMS, REPETITIONS, LONG_SECONDS = 1000, 5, 10.0


def read(path):
    """The hyperparameters and the tensors of a safetensors file."""
    content = Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__", {})
    types = {"F32": "<f4", "F64": "<f8", "U32": "<u4", "I64": "<i8"}

    def tensor(entry):
        first, end = (start + offset for offset in entry["data_offsets"])
        values = np.frombuffer(content[first:end], types[entry["dtype"]])
        values = values.reshape(entry["shape"])
        return torch.tensor(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))

    tensors = {name: tensor(entry) for name, entry in header.items()}
    return json.loads(metadata.get("hyperparameters", "{}")), tensors


def linear(tensors, name):
    weight, bias = tensors[f"{name}.weight"], tensors.get(f"{name}.bias")
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = bias
    return layer.requires_grad_(False)


def angles(x, i, j, k, l):
    """The arguments of atan2 of the dihedral angles."""
    a, b, c = x[:, j] - x[:, i], x[:, k] - x[:, j], x[:, l] - x[:, k]
    m, n = torch.linalg.cross(a, b), torch.linalg.cross(b, c)
    return b.norm(dim=-1) * (a * n).sum(-1), (m * n).sum(-1)


class Potential:
    """Energies and forces of conformations (B, N, 3)."""

    def __init__(self, model, structures):
        hyper, tensors = read(model)
        topology, lists = read(structures)
        schnet = hyper["schnet"]
        basis, known = schnet["radial_basis"], {"cosine", "exp_normal", "tanh"}
        used = {basis["kind"], schnet["cutoff"]["kind"], schnet["radial_cutoff"]["kind"],
                schnet["activation"]["kind"]}
        if not used <= known or schnet["cutoff"] != schnet["radial_cutoff"]:
            raise SystemExit(f"{model}: found {sorted(used)}, expected {sorted(known)}")
        self.cutoff = schnet["cutoff"]["upper"]
        self.alpha, self.means, self.betas = basis["alpha"], tensors["rbf.means"], tensors["rbf.betas"]
        types = lists["topology0.types"]
        self.n = len(types)
        self.embedding = tensors["embedding.weight"][types]
        names = ("filter0", "filter1", "lin1", "lin2", "lin")
        self.blocks = [[linear(tensors, f"block{b}.{name}") for name in names]
                       for b in range(schnet["n_interactions"])]
        self.readout = [linear(tensors, f"out{k}") for k in range(len(schnet["readout"]))]
        tuples = {entry["name"]: lists[f"topology0.list{k}"]
                  for k, entry in enumerate(topology["topologies"][0]["lists"])}
        self.terms = []
        for prior in hyper["priors"]:
            values, of = tensors[f"prior/{prior['name']}/values"], tuples[prior["name"]]
            if prior["parameters"] == "keyed":
                keys = [tuple(sorted(key)) for key in tensors[f"prior/{prior['name']}/keys"].tolist()]
                rows = [keys.index(tuple(sorted(types[t].tolist()))) for t in of]
                values = values[rows]
            self.terms.append((prior["form"], of.T, values.T))
        self.pairs = torch.triu_indices(self.n, self.n, 1)

    def priors(self, x):
        energy = 0
        for form, of, values in self.terms:
            if form["kind"] == "harmonic_bond":
                k, r0, v0 = values
                u = k * ((x[:, of[1]] - x[:, of[0]]).norm(dim=-1) - r0) ** 2 + v0
            elif form["kind"] == "harmonic_angle":
                k, c0, v0 = values
                a, b = x[:, of[0]] - x[:, of[1]], x[:, of[2]] - x[:, of[1]]
                u = k * (torch.cosine_similarity(a, b, dim=-1) - c0) ** 2 + v0
            elif form["kind"] == "dihedral":
                phi = torch.atan2(*angles(x, *of))
                n = torch.arange(1, form["degree"] + 1)
                phi = phi[..., None] * n
                k1, k2 = values[1:].T.split(form["degree"], 1)
                u = values[0] + (k1 * phi.sin() + k2 * phi.cos()).sum(-1)
            elif form["kind"] == "repulsion":
                u = (values[0] / (x[:, of[1]] - x[:, of[0]]).norm(dim=-1)) ** 6
            else:
                raise SystemExit(f"prior {form['kind']}: this script does not have it")
            energy = energy + u.sum(1)
        return energy

    def network(self, x):
        n_items = len(x)
        separation = x[:, self.pairs[1]] - x[:, self.pairs[0]]
        item, pair = torch.nonzero((separation.detach() ** 2).sum(-1) < self.cutoff**2, as_tuple=True)
        d = separation[item, pair].norm(dim=-1)
        i, j = (self.pairs[:, pair] + self.n * item).unbind()
        i, j = torch.cat([i, j]), torch.cat([j, i])
        envelope = (0.5 * (torch.cos(d * (math.pi / self.cutoff)) + 1))[:, None]
        warped = torch.exp(-self.alpha * d)[:, None] - self.means
        basis = envelope * torch.exp(-self.betas * warped**2)
        h = self.embedding.repeat(n_items, 1)
        for filter0, filter1, lin1, lin2, lin in self.blocks:
            filters = filter1(torch.tanh(filter0(basis))) * envelope
            y = lin1(h)
            messages = y[j] * torch.cat([filters, filters])
            m = torch.zeros_like(y).index_add(0, i, messages)
            h = h + lin(torch.tanh(lin2(m)))
        for k, layer in enumerate(self.readout):
            h = layer(torch.tanh(h) if k else h)
        return h.reshape(n_items, self.n).sum(1)

    def __call__(self, x):
        x = x.detach().requires_grad_()
        energy = self.network(x) + self.priors(x)
        return energy.detach(), -torch.autograd.grad(energy.sum(), x)[0]


def check(potential, x, arguments):
    """Compares with the results of the program, in f32 with tables: 1e-3 of the largest force."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "energies.safetensors"
        subprocess.run([arguments.flashschnet, "energy", "--backend", "cpu", "--model", arguments.model,
                        "--structures", arguments.structures, "-o", output], check=True,
                       stdout=subprocess.DEVNULL)
        _, expected = read(output)
    energy, forces = potential(x)
    for found, name in ((energy, "energy_total"), (forces, "forces_total")):
        expected_values = expected[name].reshape(found.shape)
        error, largest = (found - expected_values).abs().max(), expected_values.abs().max()
        print(f"{name}: largest difference {error:.1e}, largest value {largest:.4g}")
        if not error < 1e-3 * largest:
            raise SystemExit("the results differ")


def milliseconds(potential, x, batch):
    potential(x[:batch])
    times = []
    while len(times) < REPETITIONS:
        start = time.perf_counter()
        for some in x.split(batch):
            potential(some)
        times.append(1e3 * (time.perf_counter() - start))
        if times[0] > 1e3 * LONG_SECONDS:
            break
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("structures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flashschnet", default=ROOT / "target/release/flashschnet", type=Path)
    arguments = parser.parse_args()
    arguments.model, arguments.structures = (os.path.abspath(path) for path in
                                             (arguments.model, arguments.structures))
    torch.set_num_threads(arguments.threads)
    potential = Potential(arguments.model, arguments.structures)
    positions = read(arguments.structures)[1]["positions"].reshape(-1, potential.n, 3)
    check(potential, positions, arguments)
    bench = subprocess.run(["cargo", "bench", "--quiet", "--bench", "score", "--", "cpu",
                            arguments.model, arguments.structures], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "RAYON_NUM_THREADS": str(arguments.threads)})
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(ITEMS, potential.n, 3, generator=generator)
    x = positions[0] + 0.1 * noise
    print(f"{ITEMS} conformations of {potential.n} beads, energies and forces, {arguments.threads} "
          f"threads, PyTorch {torch.__version__}")
    for line in bench.stdout.splitlines():
        found = json.loads(line)
        own, other = found["ms_of_1000"], milliseconds(potential, x, found["batch"])
        print(f"batches of {found['batch']}: flashschnet {own:.0f} ms, PyTorch {other:.0f} ms, "
              f"ratio {other / own:.1f}")


if __name__ == "__main__":
    main()
