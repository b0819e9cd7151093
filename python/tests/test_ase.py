"""The calculator of ASE."""

import numpy as np
import pytest
from ase.units import kcal, mol
from ase.md.verlet import VelocityVerlet

import flashschnet as fs
import flashschnet.ase


def test_reference_cases(case):
    energies, forces = [], []
    for x in case.positions:
        atoms = fs.ase.atoms(case.structures)
        atoms.positions = x
        atoms.calc = fs.ase.Calculator(case.potential)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    case.check(energies, np.array(forces), unit=kcal / mol)


def test_bead_types(cloud):
    model, structures = cloud
    atoms = fs.ase.atoms(structures)
    atoms.calc = fs.ase.Calculator(fs.Potential(model, structures, backend="cpu"))
    energy = atoms.get_potential_energy()
    # A model without priors needs the types alone.
    atoms.calc = fs.ase.Calculator(model, backend="cpu")
    assert atoms.get_potential_energy() == energy
    types = atoms.arrays["bead_types"]
    atoms.set_array("bead_types", types[::-1].copy())
    assert atoms.get_potential_energy() != energy
    atoms.calc = fs.ase.Calculator(fs.Potential(model, structures, backend="cpu"))
    with pytest.raises(fs.InvalidError, match="bead_types"):
        atoms.get_potential_energy()
    del atoms.arrays["bead_types"]
    assert atoms.get_potential_energy() == energy
    atoms.pbc = True
    with pytest.raises(fs.InvalidError, match="atoms.pbc"):
        atoms.get_potential_energy()
    atoms.pbc = False
    with pytest.raises(fs.InvalidError, match="potential: found str"):
        fs.ase.Calculator("model.pt")
    with pytest.raises(fs.InvalidError, match="beads of the only molecule"):
        atoms[:-1].copy()
        short = atoms[:-1]
        short.calc = fs.ase.Calculator(fs.Potential(model, structures, backend="cpu"))
        short.get_potential_energy()


def test_dynamics_conserve_energy(cloud):
    model, structures = cloud
    atoms = fs.ase.atoms(structures)
    atoms.set_masses(np.full(len(atoms), 12.0))
    atoms.calc = fs.ase.Calculator(fs.Potential(model, structures, backend="cpu"))
    dynamics = VelocityVerlet(atoms, timestep=0.05)
    start = atoms.get_total_energy()
    dynamics.run(20)
    assert atoms.get_kinetic_energy() > 1e-3
    assert abs(atoms.get_total_energy() - start) < 1e-3 * atoms.get_kinetic_energy()
