"""A calculator for the Atomic Simulation Environment (ASE).

>>> import flashschnet as fs
>>> import flashschnet.ase
>>> model, structures = fs.builtin()
>>> atoms = fs.ase.atoms(structures)
>>> atoms.calc = fs.ase.Calculator(fs.Potential(model, structures, backend="cpu"))
>>> float(atoms.get_potential_energy()), atoms.get_forces().shape  # doctest: +ELLIPSIS
(..., (269, 3))
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.units import kcal, mol

from ._native import Model, Structures
from .errors import invalid
from .potential import Potential
from .system import structure

#: The name of the array of bead types in `atoms.arrays`.
BEAD_TYPES = "bead_types"


def atoms(structures: Structures, k: int = 0) -> Atoms:
    """The beads of structure k with their types, masses and positions."""
    masses = structures.masses(k)
    made = Atoms(
        numbers=np.zeros(len(structures.types(k)), int),
        positions=structures.positions(k),
        masses=masses if len(masses) else None,
    )
    made.set_array(BEAD_TYPES, np.array(structures.types(k)))
    return made


class Calculator(AseCalculator):
    """Energies, eV, and forces, eV/Å, of a `fs.Potential`.

    `atoms.arrays["bead_types"]` tells the molecule: that of the potential with these types. Without the
    array there must be one molecule, with as many beads. Masses, which only ASE's dynamics use, are those of
    the atoms. Molecules are in free space: periodic atoms are refused.

    With a `fs.Model` instead of a potential, the molecule is made of the bead types. It has no tuples, so
    that this serves models of a network alone. The keywords are then those of `fs.Potential`.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, potential: Potential | Model, **options: Any) -> None:
        super().__init__()
        if not isinstance(potential, (Potential, Model)):
            raise invalid("potential", type(potential).__name__, "a fs.Potential or a fs.Model")
        self._model = potential if isinstance(potential, Model) else None
        self._potential = potential if isinstance(potential, Potential) else None
        if self._model is None and options:
            raise invalid(next(iter(options)), "an option", "none, because the potential has its own")
        self._options = options

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """The changes since the last calculation, with those of the bead types."""
        changes = super().check_state(atoms, tol)
        old, new = (
            None if of is None else of.arrays.get(BEAD_TYPES) for of in (self.atoms, atoms)
        )
        same = old is new is None or (old is not None and new is not None and (old == new).all())
        return changes if same or changes else [BEAD_TYPES]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        beads = self.atoms
        if beads.pbc.any():
            expected = "no periodic directions: molecules are in free space"
            raise invalid("atoms.pbc", beads.pbc.tolist(), expected)
        types = beads.arrays.get(BEAD_TYPES)
        potential = self._of(types, beads)
        molecule = self._molecule(potential, types, len(beads))
        positions, forces = beads.positions[None], None
        if "forces" in properties:
            energies, forces = potential(positions, molecules=[molecule], strict=True)
        else:
            energies = potential(positions, molecules=[molecule], strict=True, forces=False)
        unit = kcal / mol
        energy = float(energies[0]) * unit
        self.results = {"energy": energy, "free_energy": energy}
        if forces is not None:
            self.results["forces"] = forces[0] * unit

    def _of(self, types: Any, beads: Atoms) -> Potential:
        """The potential; one of the model and these types if there is none."""
        if self._model is None:
            assert self._potential is not None
            return self._potential
        if types is None:
            raise invalid(f"atoms.arrays[{BEAD_TYPES!r}]", None, "the type of each bead")
        if self._potential is None or list(types) not in self._potential.types:
            system = structure(types, beads.positions)
            self._potential = Potential(self._model, system, **self._options)
        return self._potential

    @staticmethod
    def _molecule(potential: Potential, types: Any, n_beads: int) -> int:
        if types is not None:
            known = [list(of) for of in potential.types]
            if list(types) in known:
                return known.index(list(types))
            expected = "the types of a molecule of the potential"
            raise invalid(f"atoms.arrays[{BEAD_TYPES!r}]", "other types", expected)
        if potential.sizes != [n_beads]:
            expected = f"atoms.arrays[{BEAD_TYPES!r}], or the beads of the only molecule"
            raise invalid("atoms", f"{n_beads} atoms without bead types", expected)
        return 0
