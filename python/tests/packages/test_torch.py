"""The energy of torch."""

import numpy as np
import pytest
import torch

import flashschnet as fs
import flashschnet.torch


def test_reference_cases(case):
    energy = fs.torch.Energy(case.potential)
    x = torch.tensor(case.positions, requires_grad=True)
    energies = energy(x)
    energies.sum().backward()
    case.check(energies.detach().numpy(), -x.grad.numpy())


def test_the_gradient(cloud):
    """Against differences of the energy, in f64."""
    model, structures = cloud
    energy = fs.torch.Energy(fs.Potential(model, structures, backend="reference"))
    x = np.stack([structures.positions(k) for k in range(2)])
    x = torch.tensor(x, requires_grad=True)
    assert torch.autograd.gradcheck(energy, (x,), eps=1e-5, atol=1e-5, fast_mode=True)
    weights = torch.tensor([2.0, -3.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((weights * energy(x)).sum(), x)
    forces = energy.potential(x.detach().numpy())[1]
    assert np.allclose(gradient.numpy(), -weights.numpy()[:, None, None] * forces)


def test_types_and_errors(cloud):
    model, structures = cloud
    energy = fs.torch.Energy(fs.Potential(model, structures, backend="cpu"))
    x = torch.tensor(structures.positions()[None], dtype=torch.float32, requires_grad=True)
    found = energy(x)
    assert found.dtype == torch.float32 and found.shape == (1,)
    found.sum().backward()
    assert x.grad.dtype == torch.float32
    assert not energy(x.detach()).requires_grad
    with pytest.raises(fs.InvalidError):
        energy(torch.full_like(x, torch.nan))
    (gradient,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        gradient.sum().backward()
