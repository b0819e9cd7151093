"""A propagator for WESTPA: all segments of an iteration are replicas of one simulation, on one device.

In west.cfg:

    west:
      propagation:
        propagator: westpa_propagator.Propagator
        max_total_iterations: 100
        block_size: 1000        # at least the number of segments of an iteration
      flashschnet:
        model: model.pt
        structures: structures.pt
        steps: 500              # steps of a segment
        options: {temperature: 300, dt: 0.004, seed: 1}

Positions and velocities are auxiliary data of the segments, so that a segment goes on where its parent
ended. The progress coordinate is the distance of the first and the last bead, Å; `progress` may compute
another one.
"""

import numpy as np
import westpa
from westpa.core.propagators import WESTPropagator
from westpa.core.segment import Segment

import flashschnet as fs


def progress(positions: np.ndarray) -> np.ndarray:
    """The progress coordinate of positions (..., N, 3): (..., 1)."""
    return np.linalg.norm(positions[..., -1, :] - positions[..., 0, :], axis=-1)[..., None]


class Propagator(WESTPropagator):
    """Dynamics of all segments that WESTPA gives at a time."""

    def __init__(self, rc=None):
        super().__init__(rc)
        settings = self.rc.config.require(["west", "flashschnet"])
        self.steps = int(settings["steps"])
        self.model, self.structures = fs.load(settings["model"], settings["structures"])
        self.options = dict(settings.get("options", {}))
        self.system = self.rc.get_system_driver()

    def get_pcoord(self, state):
        state.pcoord = progress(self.structures.positions())

    def gen_istate(self, basis_state, initial_state):
        self.get_pcoord(initial_state)
        initial_state.istate_status = initial_state.ISTATE_STATUS_PREPARED

    def propagate(self, segments):
        sim = fs.Simulation(self.model, self.structures, replicas=len(segments), **self.seeded(segments))
        x, v = sim.positions, sim.velocities
        for r, segment in enumerate(segments):
            if segment.initpoint_type == Segment.SEG_INITPOINT_CONTINUES:
                x[r], v[r] = self.end_of_parent(segment)
        sim.positions, sim.velocities = x, v
        n_points = self.system.pcoord_len
        points = [progress(x)]
        for k in range(1, n_points):
            sim.run(self.steps * k // (n_points - 1) - sim.step)
            points.append(progress(sim.positions))
        x, v = sim.positions, sim.velocities
        for r, segment in enumerate(segments):
            segment.pcoord = np.array([point[r] for point in points], self.system.pcoord_dtype)
            segment.data.update(positions=x[r], velocities=v[r])
            segment.status = Segment.SEG_STATUS_COMPLETE
        return segments

    def seeded(self, segments):
        """The options, with random numbers of this iteration alone."""
        return self.options | dict(seed=int(self.options.get("seed", 1)) * 100_003 + segments[0].n_iter)

    def end_of_parent(self, segment):
        """Positions and velocities at the end of the parent."""
        manager = westpa.rc.get_data_manager()
        with manager.lock:
            group = manager.get_iter_group(segment.n_iter - 1)
            data = group["auxdata"]
            return data["positions"][segment.parent_id], data["velocities"][segment.parent_id]
