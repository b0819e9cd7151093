"""The check of tests/long/memory."""

import os
import subprocess
import sys
import tempfile
import time

from systems import system

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def resident(process):
    """The memory of a process in MB, or None after its end."""
    try:
        with open(f"/proc/{process.pid}/status") as file:
            lines = [line for line in file if line.startswith("VmRSS")]
        return int(lines[0].split()[1]) / 1000
    except (FileNotFoundError, IndexError):
        return None


def main():
    n = 8
    bonds = [[i, i + 1] for i in range(n - 1)]
    apart = [[i, j] for i in range(n) for j in range(i + 3, n)]
    terms = [
        ("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * len(bonds)),
        ("apart", "repulsion", apart, [[3.5]] * len(apart)),
    ]
    positions = [[3.5 * i, 1.2 * (i % 2), 0.4 * (i % 3)] for i in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        files = system(folder, positions, 0.25, terms)
        output = os.path.join(folder, "run")
        process = subprocess.Popen(
            [
                os.environ["FLASHSCHNET"], "run", "--backend", "cpu", *files, "--npy", "--format", "both", "--velocities", "--forces", "--terms", "--replicas", "8",
                f"--steps={STEPS}", "--save-interval=10", "--exchange-interval=100",
                "--ladder=300,400,8", "--trajectories-by=both", "-o", output,
            ],
            stderr=subprocess.DEVNULL,
        )
        start, samples = time.time(), []
        while process.poll() is None:
            memory = resident(process)
            if memory is not None:
                samples.append((time.time() - start, memory))
            time.sleep(0.5)
        if process.returncode != 0:
            sys.exit(f"the run ended with {process.returncode}")
        n_frames = sum(1 for name in os.listdir(output) if name.startswith("run_coords")) * 100
    # The first minute, or the first third of a shorter run, may fill caches and buffers.
    begin = min(60.0, samples[-1][0] / 3)
    early = max(memory for t, memory in samples if t <= begin)
    late = max(memory for t, memory in samples if t > begin)
    print(f"{STEPS} steps, {n_frames} frames, {samples[-1][0]:.0f} s: at most {early:.1f} MB before")
    print(f"{begin:.0f} s and {late:.1f} MB after")
    # 0.5 MB is less than eight bytes for each frame of 1e5, and more than the summary at the end takes.
    if late > early + 0.5:
        sys.exit("FAILED: memory grows")


main()
