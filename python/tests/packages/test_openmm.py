"""The force of OpenMM."""

import numpy as np
import openmm
from openmm import unit

import flashschnet as fs
import flashschnet.openmm


def test_reference_cases(case):
    masses = np.full(len(case.structures.types()), 12.0)
    structures = fs.structure(
        case.structures.types(), case.positions[0], masses=masses, lists=case.structures.lists()
    )
    system = fs.openmm.system(case.potential, structures)
    # Double precision, so that positions are those of the case.
    platform = openmm.Platform.getPlatform("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    energies, forces = [], []
    for x in case.positions:
        context.setPositions(x / 10)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole))
        kcal = unit.kilocalorie_per_mole / unit.angstrom
        forces.append(state.getForces(asNumpy=True).value_in_unit(kcal))
    case.check(energies, np.array(forces))


def test_dynamics_conserve_energy(cloud):
    model, structures = cloud
    potential = fs.Potential(model, structures, backend="cpu")
    heavy = fs.structure(
        structures.types(), structures.positions(), masses=np.full(len(structures.types()), 12.0)
    )
    platform = openmm.Platform.getPlatform("Reference")
    integrator = openmm.VerletIntegrator(0.0005)
    context = openmm.Context(fs.openmm.system(potential, heavy), integrator, platform)
    context.setPositions(heavy.positions() / 10)

    def energies():
        state = context.getState(energy=True)
        parts = state.getKineticEnergy(), state.getPotentialEnergy()
        return [part.value_in_unit(unit.kilojoule_per_mole) for part in parts]

    start = sum(energies())
    integrator.step(200)
    kinetic, potential_energy = energies()
    assert kinetic > 0.1 and abs(kinetic + potential_energy - start) < 1e-2 * kinetic
