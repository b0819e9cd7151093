"""An energy for PyTorch, with forces as its gradient.

>>> import torch
>>> import flashschnet as fs
>>> import flashschnet.torch
>>> model, structures = fs.builtin()
>>> energy = fs.torch.Energy(fs.Potential(model, structures, backend="cpu"))
>>> x = torch.tensor(structures.positions()[None], requires_grad=True)
>>> energy(x).sum().backward()
>>> x.grad.shape
torch.Size([1, 269, 3])
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch

from .potential import Potential


class _Evaluate(torch.autograd.Function):
    """Energies whose gradient is minus the force. There is no second derivative."""

    @staticmethod
    def forward(ctx: Any, positions: torch.Tensor, potential: Potential, molecules: Any) -> Any:
        x = positions.detach().cpu().numpy().astype(np.float64, copy=False)
        wanted = ctx.needs_input_grad[0]
        found = potential(x, molecules=molecules, strict=True, forces=wanted)
        energies, forces = found if wanted else (found, None)
        if wanted:
            ctx.save_for_backward(torch.from_numpy(forces).to(positions))
        return torch.from_numpy(np.asarray(energies)).to(positions)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (forces,) = ctx.saved_tensors
        return -gradient[..., None, None] * forces, None, None


class Energy(torch.nn.Module):
    """Energies, kcal/mol, `(B,)`, of positions, Å, `(B, N, 3)`, in the type and on the device of the
    positions. They are computed by the potential, so that positions on a GPU are copied.

    The gradient is the force that the potential gives, with the minus sign. It has no second derivative.
    A conformation without a result is an error.
    """

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def forward(
        self, positions: torch.Tensor, molecules: Sequence[int] | None = None
    ) -> torch.Tensor:
        return _Evaluate.apply(positions, self.potential, molecules)
