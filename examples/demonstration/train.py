"""Trains the network of the demonstration model on the labels of teacher.py, and writes its files.

  train.py train DATA.npz CHECKPOINT.pt    continues CHECKPOINT.pt if it exists
  train.py errors DATA.npz CHECKPOINT.pt   errors on the frames held out for the test
  train.py export CHECKPOINT.pt [FOLDER]   writes the model and its structures
  train.py check CHECKPOINT.pt FRAMES.safetensors ENERGIES.safetensors
                                           compares the output of `flashschnet energy` with
                                           PyTorch in f64, and its priors with the teacher's

The network is a SchNet of the form of mlcg. Each residue has a bead type of its own. One block is
enough, because the teacher's energy is a sum over beads of functions of sums over their neighbors.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import files
import teacher as classical

HERE = Path(__file__).parent
BASIS, BLOCKS = 32, 1
CUTOFF, ENVELOPE_WIDTH = classical.CUTOFF, 3.0
RATE, FINAL_RATE = 3e-3, 1e-6
ENERGY_WEIGHT = 0.005
REPORT_SECONDS = 15


class Block(nn.Module):
    def __init__(self, hidden, filters):
        super().__init__()
        self.filter0 = nn.Linear(BASIS, filters)
        self.filter1 = nn.Linear(filters, filters, bias=False)
        self.lin1 = nn.Linear(hidden, filters, bias=False)
        self.lin2 = nn.Linear(filters, hidden)
        self.lin = nn.Linear(hidden, hidden)

    def forward(self, h, basis, envelope, first, second):
        filters = envelope * self.filter1(nn.functional.silu(self.filter0(basis)))
        features = self.lin1(h)
        messages = first.T @ (filters * (second @ features))
        messages = messages + second.T @ (filters * (first @ features))
        return h + self.lin(nn.functional.silu(self.lin2(messages)))


class SchNet(nn.Module):
    """Energies (frames) of positions (frames, beads, 3)."""

    def __init__(self, n_beads, hidden, filters, readout):
        super().__init__()
        self.embedding = nn.Embedding(n_beads, hidden)
        self.blocks = nn.ModuleList(Block(hidden, filters) for _ in range(BLOCKS))
        self.out0 = nn.Linear(hidden, readout)
        self.out1 = nn.Linear(readout, 1, bias=False)
        offset = torch.linspace(2.5, CUTOFF, BASIS)
        self.register_buffer("offset", offset)
        self.coeff = -0.5 / float(offset[1] - offset[0]) ** 2
        i, j = torch.triu_indices(n_beads, n_beads, 1)
        # Products with these matrices take the features of the first and the second bead of each
        # pair. Their gradients are products too, which are faster than scattered sums.
        self.register_buffer("first", torch.eye(n_beads)[i], persistent=False)
        self.register_buffer("second", torch.eye(n_beads)[j], persistent=False)

    def forward(self, x):
        r = ((self.second - self.first) @ x).norm(dim=-1, keepdim=True)
        basis = torch.exp(self.coeff * (r - self.offset) ** 2)
        phase = ((r - CUTOFF + ENVELOPE_WIDTH) / ENVELOPE_WIDTH).clamp(0, 1)
        envelope = 0.5 + 0.5 * torch.cos(torch.pi * phase)
        h = self.embedding.weight.expand(len(x), -1, -1)
        for block in self.blocks:
            h = block(h, basis, envelope, self.first, self.second)
        return self.out1(nn.functional.silu(self.out0(h))).sum((1, 2))

    def forces(self, x, create_graph=False):
        x = x.detach().requires_grad_()
        energies = self(x)
        return energies, -torch.autograd.grad(energies.sum(), x, create_graph=create_graph)[0]


def load_data(path, name, device="cpu"):
    """Positions, energies and forces of the contacts, and all forces."""
    data = np.load(path)
    parts = (data[f"{name}_{part}"] for part in ("x", "energy", "force", "total"))
    return [torch.from_numpy(part).to(device, torch.float32) for part in parts]


def errors(model, data, chunk=250):
    """Root mean square errors of energies, and of forces relative to both kinds of forces."""
    x, energies, force, total = data
    parts = [model.forces(x[k:k + chunk]) for k in range(0, len(x), chunk)]
    energy_error = torch.cat([e.detach() for e, _ in parts]) - energies
    force_error = torch.cat([f for _, f in parts]) - force
    rms = lambda a: a.double().pow(2).mean().sqrt().item()
    return {
        "energy": rms(energy_error), "energy_mean": energy_error.mean().item(),
        "force": rms(force_error), "of_labels": rms(force_error) / rms(force),
        "of_all_forces": rms(force_error) / rms(total), "frames": len(x),
    }


class Step:
    """A step of Adam on a batch. The first steps on a CUDA device launch their kernels one by one;
    then they are recorded as a graph, which launches all of them at once."""

    EAGER_STEPS = 5

    def __init__(self, model, arguments, state=None):
        device, batch = model.offset.device, arguments.batch
        self.model, self.calls, self.graph = model, 0, None
        self.uses_graph = device.type == "cuda" and not arguments.eager
        self.rate = torch.tensor(RATE, device=device)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self.rate,
                                          capturable=device.type == "cuda")
        if state:
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state, "param_groups": groups})
            self.optimizer.param_groups[0]["lr"] = self.rate
        self.x = torch.zeros(batch, model.embedding.num_embeddings, 3, device=device)
        self.energies = torch.zeros(batch, device=device)
        self.force = torch.zeros_like(self.x)

    def launch(self):
        predicted, forces = self.model.forces(self.x, create_graph=True)
        force_loss = (forces - self.force).pow(2).mean()
        energy_loss = (predicted - self.energies).pow(2).mean()
        self.optimizer.zero_grad()
        (force_loss + ENERGY_WEIGHT * energy_loss).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()

    def __call__(self, data, some, rate):
        for batch, part in zip((self.x, self.energies, self.force), data):
            torch.index_select(part, 0, some, out=batch)
        self.rate.fill_(rate)
        self.calls += 1
        if self.uses_graph and self.calls > self.EAGER_STEPS:
            if not self.graph:
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph):
                    self.launch()
            self.graph.replay()
        else:
            self.launch()


def train(arguments):
    device = torch.device(arguments.device)
    data = load_data(arguments.data, "train", device)
    # Errors on training frames far below those of validation are a sign of overfitting.
    training, validation = ([part[:: len(part) // 1000 or 1] for part in parts]
                            for parts in (data, load_data(arguments.data, "validation", device)))
    torch.manual_seed(5)
    shape = (data[0].shape[1], arguments.hidden, arguments.filters, arguments.readout)
    model = SchNet(*shape).to(device)
    step, seconds, state = 0, 0.0, None
    if arguments.checkpoint.exists():
        saved = torch.load(arguments.checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        step, seconds, state = saved["step"], saved["seconds"], saved["optimizer"]
    advance = Step(model, arguments, state)
    start, first = time.time(), step
    reported = start
    while True:
        now = time.time()
        progress = max(step / arguments.steps, (seconds + now - start) / (60 * arguments.minutes))
        rate = FINAL_RATE + (RATE - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
        rate *= min(1.0, (step + 1) / 200)
        if progress >= 1 or now > reported + REPORT_SECONDS:
            of_training, result = errors(model, training), errors(model, validation)
            reported = time.time()
            saved = {"model": model.state_dict(), "step": step,
                     "seconds": seconds + reported - start,
                     "optimizer": advance.optimizer.state_dict()["state"]}
            torch.save(saved, arguments.checkpoint)
            ms = 1000 * (reported - start) / max(step - first, 1)
            print(f"step {step}, {saved['seconds']:.0f} s, {ms:.2f} ms a step, rate {rate:.1e}: "
                  f"force error {result['force']:.4f}, {100 * result['of_labels']:.2f} % of labels "
                  f"(training frames {100 * of_training['of_labels']:.2f} %), "
                  f"{100 * result['of_all_forces']:.2f} % of all forces; energy error "
                  f"{result['energy']:.3f}", flush=True)
            if progress >= 1:
                break
        if step % 100 == 0 or step == first:
            generator = torch.Generator().manual_seed(step // 100)
            batches = torch.randint(len(data[0]), (100, arguments.batch), generator=generator)
            batches = batches.to(device)
        advance(data, batches[step % 100], rate)
        step += 1


def train_on_device(arguments):
    if arguments.device == "cpu":
        train(arguments)
    else:  # A CUDA graph cannot be recorded on the default stream.
        with torch.cuda.stream(torch.cuda.Stream()):
            train(arguments)


def load_model(checkpoint):
    state = torch.load(checkpoint, map_location="cpu")["model"]
    (n_beads, hidden), readout = state["embedding.weight"].shape, len(state["out0.weight"])
    model = SchNet(n_beads, hidden, len(state["blocks.0.filter1.weight"]), readout)
    model.load_state_dict(state)
    return model


def print_errors(arguments):
    model = load_model(arguments.checkpoint)
    print(json.dumps(errors(model, load_data(arguments.data, "test")), indent=1))


def schnet_tensors(model):
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    tensors = {"embedding.weight": state["embedding.weight"], "rbf.offset": state["offset"]}
    for name, value in state.items():
        if name.startswith("blocks."):
            tensors[name.replace("blocks.", "block")] = value
        elif name.startswith("out"):
            tensors[name] = value
    hyper = {
        "n_types": len(state["embedding.weight"]), "n_hidden": len(state["out0.weight"][0]),
        "n_filters": len(state["blocks.0.filter1.weight"]), "n_rbf": BASIS,
        "n_interactions": BLOCKS, "readout": [len(state["out0.weight"]), 1],
        "activation": {"kind": "silu"},
        "radial_basis": {"kind": "gaussian", "coeff": model.coeff},
        "radial_cutoff": {"kind": "identity", "lower": 0.0, "upper": CUTOFF},
        "cutoff": {"kind": "shifted_cosine", "upper": CUTOFF, "width": ENVELOPE_WIDTH},
        "max_num_neighbors": None,
    }
    return hyper, tensors


def export(arguments):
    potential, folder = classical.load_teacher(), arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    network = schnet_tensors(load_model(arguments.checkpoint))
    files.write_model(folder / "ww.model.safetensors", potential, *network)
    files.write_model(folder / "ww_priors.model.safetensors", potential)
    starts = {"native": potential.native, "extended": classical.extended(len(potential.native))}
    for name, x in starts.items():
        centered = (x - x.mean(0))[None].astype(np.float32)
        files.write_structures(folder / f"ww_{name}.structures.safetensors", potential, centered)
    if arguments.frames:
        x = np.load(arguments.frames)["test_x"][::40]
        files.write_structures(folder / "frames.structures.safetensors", potential, x)


def check(arguments):
    potential = classical.load_teacher()
    n = len(potential.native)
    frames = files.read_safetensors(arguments.frames)["positions"].reshape(-1, n, 3).astype(float)
    found = files.read_safetensors(arguments.energies)
    energies, forces = load_model(arguments.checkpoint).double().forces(torch.from_numpy(frames))
    prior_forces = np.zeros(frames.shape)
    terms = potential.dihedrals, potential.repelling, potential.sigma
    prior_energies = np.array(
        [classical.prior_forces(x, f, *terms) for x, f in zip(frames, prior_forces)])
    largest = lambda difference: f"{np.abs(difference).max():.1e}"
    for kind, network, prior in (("energy", energies.detach().numpy(), prior_energies),
                                 ("forces", forces.numpy(), prior_forces)):
        of_network = found[f"{kind}/SchNet"]
        of_priors = found[f"{kind}_total"] - of_network
        print(f"largest difference of {kind}: network {largest(of_network - network)}, "
              f"priors {largest(of_priors - prior)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, act in (("train", train_on_device), ("errors", print_errors)):
        command = commands.add_parser(name)
        command.add_argument("data", type=Path)
        command.add_argument("checkpoint", type=Path)
        command.set_defaults(act=act)
        if name == "train":
            limits = "the learning rate decreases until the earlier of the two ends"
            command.add_argument("--steps", type=int, default=10000, help=limits)
            command.add_argument("--minutes", type=float, default=float("inf"), help=limits)
            command.add_argument("--device", default="cpu", help="cpu or cuda")
            command.add_argument("--eager", action="store_true", help="do not use a CUDA graph")
            sizes = {"batch": 32, "hidden": 64, "filters": 64, "readout": 128}
            for option, default in sizes.items():
                command.add_argument(f"--{option}", type=int, default=default)
    command = commands.add_parser("export")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("folder", type=Path, nargs="?", default=HERE)
    command.add_argument("--frames", type=Path, metavar="DATA.npz",
                         help="also write held-out frames of these data, as structures")
    command.set_defaults(act=export)
    command = commands.add_parser("check")
    for name in ("checkpoint", "frames", "energies"):
        command.add_argument(name, type=Path)
    command.set_defaults(act=check)
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    main()
