"""The check of tests/long/analysis."""

import os
import subprocess
import sys
import tempfile
import time

from systems import system

SMALL = 10_000_000
LARGE = int(sys.argv[1]) * 1_000_000 if len(sys.argv) > 1 else 1_000_000_000

# MB that the large trajectory may take more than the small one, and seconds for each GB.
MOST_MEMORY, MOST_TIME = 50.0, 120.0


def trajectory(folder, n):
    """A short run of a chain of n beads: its trajectory, and the file of its start."""
    bonds = [[i, i + 1] for i in range(n - 1)]
    apart = [[i, j] for i in range(n) for j in range(i + 3, n)]
    terms = [
        ("bonds", "harmonic_bond", bonds, [[20.0, 3.8, 0.0]] * len(bonds)),
        ("apart", "repulsion", apart, [[3.5]] * len(apart)),
    ]
    # A helix, which has contacts.
    positions = [[5.0 * [1, 0, -1, 0][i % 4], 5.0 * [0, 1, 0, -1][i % 4], 1.2 * i] for i in range(n)]
    output = os.path.join(folder, "run")
    files = system(folder, positions, 0.25, terms)
    subprocess.run(
        [
            os.environ["FLASHSCHNET"], "run", "--backend", "cpu", *files, "--replicas", "1", "--steps=20000",
            "--save-interval=20", "-o", output,
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    with open(os.path.join(output, "replica_0000.xtc"), "rb") as file:
        return file.read(), files[files.index("--structures") + 1]


def measure(folder, frames, molecule, size):
    """Analyzes about `size` bytes of a trajectory. Returns the most memory in MB and the seconds."""
    path = os.path.join(folder, "long.xtc")
    with open(path, "wb") as file:
        for _ in range(size // len(frames)):
            file.write(frames)
    command = [
        os.environ["FLASHSCHNET"], "analyze", path, "--topology", molecule, "--reference", molecule,
        "--q-cutoff", "10", "--interval", "1", "--temperature", "300", "-o", os.path.join(folder, "out"),
    ]
    start, peak = time.time(), 0.0
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
                lines = [line for line in file if line.startswith("VmHWM")]
            peak = int(lines[0].split()[1]) / 1000
        except (FileNotFoundError, IndexError):
            pass
        time.sleep(0.01)
    if process.returncode != 0:
        sys.exit(f"analyze ended with {process.returncode}")
    return peak, time.time() - start


def main():
    failed = False
    for n in (10, 300):
        with tempfile.TemporaryDirectory() as folder:
            frames, start = trajectory(folder, n)
            small, _ = measure(folder, frames, start, SMALL)
            large, seconds = measure(folder, frames, start, LARGE)
        print(f"{n} beads: {small:.1f} MB of memory for {SMALL / 1e6:.0f} MB, {large:.1f} MB for {LARGE / 1e6:.0f} MB, {seconds:.1f} s")
        failed |= large > small + MOST_MEMORY or seconds > MOST_TIME * max(LARGE / 1e9, 0.1)
    if failed:
        sys.exit("FAILED: too much memory or time")


main()
