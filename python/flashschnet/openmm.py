"""A force of OpenMM, 8.4 or newer.

>>> import flashschnet as fs
>>> import flashschnet.openmm
>>> model, structures = fs.builtin()
>>> potential = fs.Potential(model, structures, backend="cpu")
>>> system = fs.openmm.system(potential, structures)
>>> system.getNumParticles(), system.getNumForces()
(269, 1)
"""

from __future__ import annotations

from typing import Any

import openmm
from openmm import unit

from ._native import Structures
from .errors import invalid
from .potential import Potential

#: kJ in a kcal, and Å in a nm.
_KJ, _ANGSTROM = 4.184, 10.0


def force(potential: Potential, molecule: int = 0) -> openmm.PythonForce:
    """The force of a molecule of a potential, in kJ/mol and nm. OpenMM calls it in every step with the
    positions of all particles, which are the beads. It has no periodic boxes."""
    if not 0 <= molecule < len(potential.sizes):
        raise invalid("molecule", molecule, f"one from 0 to {len(potential.sizes) - 1}")

    def compute(state: openmm.State) -> Any:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        energies, forces = potential(positions[None], molecules=[molecule], strict=True)
        return float(energies[0]) * _KJ, forces[0] * (_KJ * _ANGSTROM)

    return openmm.PythonForce(compute)


def system(potential: Potential, structures: Structures, k: int = 0) -> openmm.System:
    """A system of the beads of structure k with their masses and this force."""
    masses = structures.masses(k)
    if not len(masses):
        raise invalid("structures", "no masses", "a mass for each bead")
    made = openmm.System()
    for mass in masses:
        made.addParticle(mass * unit.dalton)
    made.addForce(force(potential, potential.molecules[k]))
    return made
