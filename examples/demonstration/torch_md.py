"""The dynamics of the demonstration model in plain PyTorch, to compare its speed with flashschnet.

  torch_md.py speed [--replicas 64] [--steps 1000] [--temperature 375] [--device cpu]
  torch_md.py check FRAMES.safetensors ENERGIES.safetensors
                    compares energies and forces with the output of `flashschnet energy`

Replicas form a batch; the network takes all pairs of beads, and forces come from autograd. The
integrator and its settings are those of flashschnet: Langevin dynamics with the BAOAB splitting.
"""

import argparse
import time
from pathlib import Path

import torch

import files
import teacher as classical
from train import SchNet

HERE = Path(__file__).parent


class Model:
    """Energies and forces of positions (replicas, beads, 3), from the native file of the model."""

    def __init__(self, device):
        tensors = files.read_safetensors(HERE / "ww.model.safetensors")
        tensors = {name: torch.tensor(values, device=device) for name, values in tensors.items()}
        n_types, hidden = tensors["embedding.weight"].shape
        n_filters, readout = len(tensors["block0.filter1.weight"]), len(tensors["out0.weight"])
        self.network = SchNet(n_types, hidden, n_filters, readout).to(device)
        names = {"rbf.offset": "offset"}
        state = {names.get(name, name.replace("block0.", "blocks.0.")): values
                 for name, values in tensors.items() if not name.startswith("prior/")}
        self.network.load_state_dict(state)
        self.network.requires_grad_(False)
        self.lists = {}
        for name, _, tuples, _ in files.priors(classical.load_teacher()):
            beads = torch.tensor(tuples, device=device)
            self.lists[name] = beads.T, tensors[f"prior/{name}/values"].to(torch.float32).T

    def priors(self, x):
        (i, j), (k, r0, _) = self.lists["bonds"]
        bonds = k * ((x[:, j] - x[:, i]).norm(dim=-1) - r0) ** 2
        (i, j, k), _ = self.lists["angles"]
        cosine = torch.cosine_similarity(x[:, i] - x[:, j], x[:, k] - x[:, j], dim=-1)
        c = classical
        angles = c.K_ANGLE * (cosine - c.COS_ANGLE) ** 2 + c.K_SINE / (1 - cosine**2)
        (i, j, k, l), (_, k1, k2) = self.lists["dihedrals"]
        a, b, d = x[:, j] - x[:, i], x[:, k] - x[:, j], x[:, l] - x[:, k]
        m, n = torch.linalg.cross(a, b), torch.linalg.cross(b, d)
        phi = torch.atan2(b.norm(dim=-1) * (a * n).sum(-1), (m * n).sum(-1))
        dihedrals = k1 * phi.sin() + k2 * phi.cos()
        (i, j), (sigma,) = self.lists["repulsion"]
        repulsion = (sigma / (x[:, j] - x[:, i]).norm(dim=-1)) ** 6
        return sum(term.sum(1) for term in (bonds, angles, dihedrals, repulsion))

    def forces(self, x):
        x = x.detach().requires_grad_()
        energies = self.network(x) + self.priors(x)
        return energies.detach(), -torch.autograd.grad(energies.sum(), x)[0]


def run(model, x, temperature, n_steps):
    dt = classical.TIME_STEP
    decay = torch.exp(torch.tensor(-classical.FRICTION * dt)).item()
    kt, half = classical.BOLTZMANN * temperature, 0.5 * dt
    noise = ((1 - decay**2) * kt / classical.MASS) ** 0.5
    v = torch.randn_like(x) * (kt / classical.MASS) ** 0.5
    _, f = model.forces(x)
    for _ in range(n_steps):
        v = v + half / classical.MASS * f
        x = x + half * v
        v = decay * v + noise * torch.randn_like(v)
        x = x + half * v
        _, f = model.forces(x)
        v = v + half / classical.MASS * f
    return x


def speed(arguments):
    model = Model(arguments.device)
    native = files.read_safetensors(HERE / "ww_native.structures.safetensors")["positions"]
    x = torch.tensor(native, dtype=torch.float32, device=arguments.device)
    x = x.expand(arguments.replicas, -1, -1)
    x = run(model, x, arguments.temperature, max(arguments.steps // 10, 10))
    wait = torch.cuda.synchronize if arguments.device != "cpu" else lambda: None
    wait()
    start = time.time()
    x = run(model, x, arguments.temperature, arguments.steps)
    wait()
    seconds = (time.time() - start) / arguments.steps
    print(f"PyTorch {torch.__version__}, {arguments.device}: {arguments.replicas} replicas, "
          f"{arguments.replicas / seconds:.0f} replica-steps/s, {1000 * seconds:.2f} ms a step")
    if not torch.isfinite(x).all():
        raise SystemExit("positions are not finite")


def check(arguments):
    model = Model("cpu")
    n = model.network.embedding.num_embeddings
    frames = files.read_safetensors(arguments.frames)["positions"].reshape(-1, n, 3)
    found = files.read_safetensors(arguments.energies)
    energies, forces = model.forces(torch.tensor(frames, dtype=torch.float32))
    for kind, values in (("energy", energies), ("forces", forces)):
        difference = abs(values.numpy() - found[f"{kind}_total"]).max()
        print(f"largest difference of {kind}: {difference:.1e}, largest value "
              f"{abs(found[f'{kind}_total']).max():.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("speed")
    command.add_argument("--replicas", type=int, default=64)
    command.add_argument("--steps", type=int, default=1000)
    command.add_argument("--temperature", type=float, default=375)
    command.add_argument("--device", default="cpu", help="cpu or cuda")
    command.set_defaults(act=speed)
    command = commands.add_parser("check")
    command.add_argument("frames", type=Path)
    command.add_argument("energies", type=Path)
    command.set_defaults(act=check)
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    main()
