"""Dynamics of many replicas."""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any, Callable, Sequence

import numpy as np

from . import _native, reporters
from ._arrays import Array, real, shaped, vectors
from ._options import Path, system, whole
from .errors import invalid

#: Options of `flashschnet run` about steps and files, which a simulation does not have.
_OF_A_RUN = frozenset(
    """steps output resume save_interval equilibration_steps checkpoint_interval max_hours dry_run format
    npy velocities forces terms trajectories_by tune_ladder builtin""".split()
)


class Frame:
    """The replicas at one step, as a copy. Vectors have the shape `(replicas, beads, 3)`, or are a list of
    arrays if the molecules differ in size."""

    def __init__(self, native: _native.Frame, sizes: list[int], terms: list[str]) -> None:
        self._native, self._sizes, self._terms = native, sizes, terms

    @property
    def step(self) -> int:
        """Steps done."""
        return self._native.step

    @property
    def time(self) -> float:
        """Simulated time, ps."""
        return self._native.time

    @property
    def positions(self) -> Any:
        """Å."""
        return shaped(self._native.positions, self._sizes)

    @property
    def velocities(self) -> Any:
        """Å/ps; meaningless for the overdamped integrators."""
        return shaped(self._native.velocities, self._sizes)

    @property
    def forces(self) -> Any:
        """kcal/mol/Å; None unless a reporter of this step has `forces = True`."""
        forces = self._native.forces
        return shaped(forces, self._sizes) if len(forces) else None

    @property
    def potential(self) -> Array:
        """Potential energies, kcal/mol, `(replicas,)`; NaN for a frozen replica."""
        return self._native.potential

    @property
    def kinetic(self) -> Array:
        """Kinetic energies, kcal/mol, `(replicas,)`."""
        return self._native.kinetic

    @property
    def temperature(self) -> Array:
        """Temperatures of the kinetic energies, K, `(replicas,)`."""
        return self._native.temperature

    @property
    def callback(self) -> Array:
        """Energies of the force callback, kcal/mol, `(replicas,)`; empty without one. `potential` is without
        them."""
        return self._native.callback

    @property
    def terms(self) -> dict[str, Array]:
        """The energy of each term, kcal/mol; empty unless a reporter of this step has `terms = True`."""
        return dict(zip(self._terms, self._native.terms))

    @property
    def observables(self) -> dict[str, Array]:
        """The value of each observable, Å or rad."""
        return self._native.observables

    @property
    def biases(self) -> dict[str, tuple[Array, Array]]:
        """Value and energy of each bias."""
        return self._native.biases

    @property
    def labels(self) -> list[int]:
        """The state of each replica in its ladder; empty without replica exchange."""
        return self._native.labels

    @property
    def frozen(self) -> list[int]:
        """The replicas that exceeded a limit and no longer move."""
        return self._native.frozen


class Checkpoint:
    """The state of a simulation, with all that decides the bits of its continuation.

    It can be pickled. `save` and `latest` keep the last two checkpoints in a folder.
    """

    def __init__(self, native: _native.Checkpoint) -> None:
        self._native = native

    @staticmethod
    def latest(folder: Path) -> Checkpoint:
        """The newest whole checkpoint in a folder, also in that of `fs.run`."""
        return Checkpoint(_native.Checkpoint.latest(folder))

    @staticmethod
    def from_bytes(data: bytes) -> Checkpoint:
        """The checkpoint of `bytes(checkpoint)`."""
        return Checkpoint(_native.Checkpoint.from_bytes(data))

    def save(self, folder: Path) -> None:
        """Writes it to a folder, which is made if it is missing. The checkpoint before it stays there."""
        os.makedirs(folder, exist_ok=True)
        self._native.save(folder)

    @property
    def step(self) -> int:
        """Steps done."""
        return self._native.step

    @property
    def time(self) -> float:
        """Simulated time, ps."""
        return self._native.time

    def __bytes__(self) -> bytes:
        return self._native.to_bytes()

    def __reduce__(self) -> Any:
        return Checkpoint.from_bytes, (bytes(self),)

    def __repr__(self) -> str:
        return f"<flashschnet.Checkpoint of step {self.step}>"


class Simulation:
    """Replicas in motion.

    >>> import flashschnet as fs
    >>> model, structures = fs.builtin()
    >>> sim = fs.Simulation(model, structures, replicas=4, temperature=300, seed=1, backend="cpu")
    >>> sim.run(10)
    10
    >>> sim.positions.shape
    (4, 269, 3)

    `model` and `structures` are those of `fs.Potential`. The other keywords are the options of `flashschnet
    run` and the keys of its configuration files: `replicas`, `temperature` (K, one or one for each
    replica), `seed`, `dt` (ps), `integrator`, `friction`, `mts`, `minimize`, `first_replica`, `anneal`,
    `exchange_interval`, `ladder`, `observables`, `reference`, `bias` (a file), `backend`, `adapter`,
    `precision`, and so on. `help(fs.run)` tells where they are described.

    `reporters` is a list. Each gets a frame at every step that is a multiple of its `every`.

    Units: Å, kcal/mol, ps, K. A replica that exceeds a limit raises `fs.BlowUpError`, unless the option
    `on_blow_up` is `"freeze"`.

    While a method works, other threads can do other work. Any other use of the simulation raises
    `fs.BusyError` then.
    """

    __slots__ = ("_native", "reporters", "__weakref__")

    reporters: list[Any]

    def __init__(
        self,
        model: _native.Model | Path,
        structures: _native.Structures | Path | Sequence[Path] | None = None,
        *,
        replicas: int | None = None,
        temperature: float | Sequence[float] | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        for name in options:
            if name in _OF_A_RUN:
                raise invalid(name, options[name], "no such option; run, reporters and save replace it")
        values = dict(replicas=replicas, temperature=temperature, seed=seed) | options
        arguments, given = system("run", model, structures, values)
        arguments += ["--steps=1", "--output=none"]
        self._native = _native.Simulation(arguments, given)
        self.reporters = []

    @classmethod
    def restore(
        cls,
        checkpoint: Checkpoint | Path,
        model: _native.Model | Path,
        structures: _native.Structures | Path | Sequence[Path] | None = None,
        **options: Any,
    ) -> Simulation:
        """The simulation that continues from a checkpoint, or from the newest one in a folder, with the same
        bits on the same device.

        Model and structures must be those of the checkpoint. The backend is that of the checkpoint, unless
        the options of `fs.Potential` name another. Reporters, observables and external forces are not part
        of a checkpoint.
        """
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint.latest(checkpoint)
        arguments, given = system("energy", model, structures, options)
        self = cls.__new__(cls)
        self._native = _native.Simulation.restore(checkpoint._native, arguments, given)
        self.reporters = []
        return self

    def run(self, steps: int) -> int:
        """Moves every replica by a number of steps, and returns the number of steps done.

        Ctrl-C stops the run after about half a second of work, or after one step if that is longer, and
        raises KeyboardInterrupt. The simulation is then at a whole step and can go on. So it is after an
        exception of a reporter.
        """
        first = self.step
        last = first + whole("steps", steps, 0)
        for k, reporter in enumerate(self.reporters):
            if not hasattr(reporter, "every"):
                expected = "a reporter; fs.reporters.Function(f, every=100) makes one of a function"
                raise invalid(f"reporters[{k}]", reporter, expected)
        for reporter in self.reporters:
            begin = getattr(reporter, "begin", None)
            if begin is not None:
                begin(self, last)
        try:
            while self.step < last:
                self._run_piece(last)
        finally:
            for reporter in self.reporters:
                end = getattr(reporter, "end", None)
                if end is not None:
                    end(self)
        return self.step - first

    def _run_piece(self, last: int) -> None:
        """Runs to the last step, or to the next one at which a reporter wants the whole simulation."""
        pauses = [reporter for reporter in self.reporters if hasattr(reporter, "pause")]
        step = self.step
        stop = min([last, *(step + p.every - step % p.every for p in pauses)])
        targets = []
        for reporter in self.reporters:
            target = getattr(reporter, "target", None)
            if target is None and callable(reporter):
                target = self._function(reporter)
            if target is not None:
                wants = [bool(getattr(reporter, name, False)) for name in ("forces", "terms")]
                targets.append((reporter.every, target, *wants))
        shown = [reporter.progress for reporter in self.reporters if hasattr(reporter, "progress")]

        def progress(step: int) -> None:
            for show in shown:
                show(step)

        self._native.run(stop - step, targets, progress if shown else None)
        for reporter in pauses:
            if self.step % reporter.every == 0:
                reporter.pause(self)

    def _function(self, reporter: Any) -> Any:
        """The function of a native frame that calls a reporter."""
        sizes, terms = self._native.sizes, self._native.terms
        return lambda frame: reporter(Frame(frame, sizes, terms))

    def __len__(self) -> int:
        """The number of replicas."""
        return len(self._native.sizes)

    @property
    def sizes(self) -> list[int]:
        """The number of beads of each replica."""
        return self._native.sizes

    @property
    def step(self) -> int:
        """Steps done."""
        return self._native.step

    @property
    def dt(self) -> float:
        """Time step, ps."""
        return self._native.dt

    @property
    def time(self) -> float:
        """Simulated time, ps."""
        return self.step * self.dt

    @property
    def positions(self) -> Any:
        """Å, `(replicas, beads, 3)`, or a list of arrays if the molecules differ in size. It can be set."""
        return shaped(self._native.positions(), self.sizes)

    @positions.setter
    def positions(self, values: Any) -> None:
        self._native.set_positions(vectors("positions", values, self.sizes, finite=True))

    @property
    def velocities(self) -> Any:
        """Å/ps, as `positions`. They can be set."""
        return shaped(self._native.velocities(), self.sizes)

    @velocities.setter
    def velocities(self, values: Any) -> None:
        self._native.set_velocities(vectors("velocities", values, self.sizes, finite=True))

    @property
    def temperatures(self) -> Array:
        """The temperature of the thermostat of each replica, K. It can be set: one number, or one for each
        replica. Velocities stay."""
        return self._native.temperatures()

    @temperatures.setter
    def temperatures(self, kelvin: Any) -> None:
        kelvin = real("temperatures", kelvin)
        if kelvin.size == 1:
            kelvin = np.full(len(self), kelvin.item())
        self._native.set_temperatures(kelvin.ravel().tolist())

    @property
    def energies(self) -> Array:
        """Potential energies, kcal/mol, `(replicas,)`."""
        return self._native.energies()[0]

    @property
    def kinetic_energies(self) -> Array:
        """Kinetic energies, kcal/mol, `(replicas,)`; NaN with the overdamped integrators."""
        return self._native.energies()[1]

    @property
    def kinetic_temperatures(self) -> Array:
        """Temperatures of the kinetic energies, K, `(replicas,)`."""
        return self._native.energies()[2]

    @property
    def callback_energies(self) -> Array:
        """Energies of the force callback, kcal/mol, `(replicas,)`; empty without one."""
        return self._native.energies()[3]

    @property
    def forces(self) -> Any:
        """Forces of the potential, kcal/mol/Å, as `positions`, without external forces, those of a callback
        and biases."""
        return shaped(self._native.forces(), self.sizes)

    @property
    def observables(self) -> dict[str, Array]:
        """The value of each observable, Å or rad, `(replicas,)`, by its name."""
        return self._native.observables()

    @property
    def biases(self) -> dict[str, tuple[Array, Array]]:
        """Value, Å or rad, and energy, kcal/mol, of each bias, `(replicas,)`, by its name."""
        return self._native.biases()

    @property
    def frozen(self) -> list[int]:
        """The replicas that exceeded a limit and no longer move."""
        return self._native.frozen()

    @property
    def backend(self) -> str:
        """`"wgpu"`, `"cuda"`, `"cpu"` or `"reference"`."""
        return self._native.backend

    @property
    def precision(self) -> str:
        """`"f32"` or `"mixed"`."""
        return self._native.precision

    @property
    def device(self) -> str:
        """The device in words."""
        return self._native.device

    def set_external_forces(self, forces: Any | None) -> None:
        """Adds constant forces, kcal/mol/Å, shaped as `positions`; None removes them."""
        flat = None if forces is None else vectors("forces", forces, self.sizes, finite=True)
        self._native.set_external_forces(flat)

    def set_force_callback(self, callback: Callable[[Any], tuple[Any, Any]] | None) -> None:
        """Adds forces that a function computes in every step; None removes them.

        `callback(positions)` returns energies, kcal/mol, `(replicas,)`, and forces, kcal/mol/Å, shaped as
        `positions`. The energies are reported as `callback_energies` and `Frame.callback`. The forces act as
        they are. An exception ends the run, and the callback cannot use the simulation. A GPU waits for it
        in every step; a file of biases (the option `bias`) needs no waiting. A checkpoint does not have the
        callback.

        >>> import flashschnet as fs
        >>> sim = fs.Simulation(*fs.builtin(), replicas=2, backend="cpu")
        >>> center = sim.positions.mean(axis=1, keepdims=True)
        >>> def restrain(x):
        ...     d = x - center
        ...     return 0.5 * (d**2).sum(axis=(1, 2)), -d
        >>> sim.set_force_callback(restrain)
        >>> sim.run(5)
        5
        """
        if callback is None:
            self._native.set_force_callback(None)
            return
        function, sizes = callback, self.sizes

        def call(flat: Array) -> tuple[Array, Array]:
            found = function(shaped(flat, sizes))
            if not isinstance(found, tuple) or len(found) != 2:
                raise invalid("force callback", type(found).__name__, "a pair of energies and forces")
            energies = real("energies of the force callback", found[0]).reshape(-1)
            return energies, vectors("forces of the force callback", found[1], sizes)

        self._native.set_force_callback(call)

    def minimize(self, most_steps: int = 5000, tolerance: float = 1.0) -> list[bool]:
        """Minimizes the energy of every replica until the force on each bead is within the tolerance,
        kcal/mol/Å. Returns whether each replica has converged. Velocities and the step stay."""
        return self._native.minimize(most_steps, tolerance)

    def swap(self, *pairs: tuple[int, int]) -> None:
        """Exchanges positions and velocities of the two replicas of each pair, one pair after the other.
        Temperatures stay. A call takes the time of a few steps, for any number of pairs."""
        for pair in pairs:
            if len(pair) != 2:
                raise invalid("pair", f"{len(pair)} replicas", "2")
        self._native.swap([(whole("replica", a, 0), whole("replica", b, 0)) for a, b in pairs])

    def reset(self, *replicas: int) -> None:
        """Puts replicas back to their last good states, with new random velocities, and lets them move.
        A call takes the time of a few steps, for one replica as for all."""
        self._native.reset([whole("replica", replica, 0) for replica in replicas])

    @property
    def checkpoint(self) -> Checkpoint:
        """The present state. It can be set to one of the same model and structures."""
        return Checkpoint(self._native.checkpoint())

    @checkpoint.setter
    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self._native.set_state(checkpoint._native)

    def save(self, folder: Path) -> FilePath:
        """Writes a checkpoint to a folder, from which `Simulation.restore` continues."""
        self.checkpoint.save(folder)
        return FilePath(folder)

    def __repr__(self) -> str:
        return f"<flashschnet.Simulation: {len(self)} replicas on {self.device}>"


__all__ = ["Checkpoint", "Frame", "Simulation", "reporters"]
