"""Checks the demonstration model with flashschnet: errors, folding, unfolding and melting.

  check.py [--program flashschnet] [--short] [--backend NAME] [--model FILE] [--seed N] [-o FOLDER]

Prints a table of the bars and the values found. The exit code is 1 if a value fails its bar. All
runs use the program and the files of this folder. The teacher makes new conformations with the
given seed. Its melting curve is that of teacher_melting.json, by `teacher.py melt`. The model's
own melting curve takes most of the time; --short omits it. Needs NumPy and Numba.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import files
import teacher as classical
from analysis import FOLDED, melting_of_run, read_fractions

HERE = Path(__file__).parent
PRIORS = HERE / "ww_priors.model.safetensors"
NATIVE, EXTENDED = (HERE / f"ww_{name}.structures.safetensors" for name in ("native", "extended"))
LOW, HIGH = 300, 420


class Checks:
    def __init__(self, arguments):
        self.arguments, self.failed = arguments, False
        self.folder = Path(arguments.output or tempfile.mkdtemp(prefix="demonstration-"))

    def bar(self, name, bar, found, passes):
        self.failed |= not passes
        print(f"{name:58} {bar:>10} {found:>16}   {'pass' if passes else 'FAIL'}", flush=True)

    def flashschnet(self, *arguments):
        command = [self.arguments.program, *arguments, "--backend", self.arguments.backend]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{' '.join(result.args)}\n{result.stderr}")

    def run(self, name, config, *options, model=None):
        """The output folder of a run; options replace the keys of the configuration file."""
        output, model = self.folder / name, model or self.arguments.model
        self.flashschnet("run", HERE / config, "--model", model, "--seed", self.arguments.seed,
                         *options, "-o", output)
        return output

    def errors(self):
        """Errors of energies and forces on conformations of a new run of the teacher."""
        teacher = classical.load_teacher()
        n_frames = 25 if self.arguments.short else 100
        frames = classical.sample(teacher, classical.LADDER, n_frames, 1000, 40,
                                  self.arguments.seed)[0]
        frames = frames.reshape(-1, *teacher.native.shape).astype(np.float32)
        energies, labels, total = classical.labels(teacher, frames.astype(float))
        structures, output = (self.folder / name for name in ("frames.structures.safetensors",
                                                              "energies.safetensors"))
        files.write_structures(structures, teacher, frames)
        self.flashschnet("energy", "--model", self.arguments.model, "--structures",
                         structures, "-o", output)
        found = files.read_safetensors(output)
        rms = lambda a: np.sqrt((a**2).mean())
        error = found["forces/SchNet"] - labels
        of_total, of_labels = (100 * rms(error) / rms(f) for f in (total, labels))
        self.bar(f"force error, rms, {len(frames)} conformations, % of all forces", "< 2",
                 f"{of_total:.2f}", of_total < 2)
        self.bar("the same, % of the network's labels", "< 5", f"{of_labels:.2f}", of_labels < 5)
        priors = found["forces_total"] - found["forces/SchNet"]
        prior_error = np.abs(priors - (total - labels)).max()
        self.bar("largest difference of the priors' forces, kcal/mol/Å", "< 1e-3",
                 f"{prior_error:.1e}", prior_error < 1e-3)
        difference = found["energy/SchNet"] - energies
        print(f"{'energy error, rms and mean, kcal/mol':58} {'':10} "
              f"{f'{rms(difference):.3f} {difference.mean():+.3f}':>16}")

    def folding(self):
        q, _ = read_fractions(self.run("fold", "fold.toml"))
        reached = (q.max(0) > FOLDED).sum()
        self.bar(f"{LOW} K: extended chains of 16 that reach Q > {FOLDED}", ">= 8", f"{reached}",
                 reached >= 8)

    def unfolding(self):
        """The second half of runs that start extended and native in turn."""
        model = self.arguments.model
        for name, kelvin, file, limit in (("high", HIGH, model, 0.4), ("off", LOW, PRIORS, 0.3)):
            q, _ = read_fractions(self.run(
                name, "fold.toml", "--structures", NATIVE, EXTENDED, "--temperature", kelvin,
                "--steps", 40000, model=file))
            q = q[len(q) // 2:]
            network = " without the network" if name == "off" else ""
            for k, start in enumerate(("native", "extended")):
                chains = q[:, k::2].mean(0)
                mean, error = chains.mean(), chains.std(ddof=1) / np.sqrt(len(chains))
                self.bar(f"{kelvin} K{network}: mean Q from {start} chains", f"< {limit}",
                         f"{mean:.3f} ± {error:.3f}", mean < limit)

    def melting(self):
        teacher = json.loads((HERE / "teacher_melting.json").read_text())
        model = melting_of_run(self.run("melt", "melt.toml"))
        for name, (value, error) in (("heat_capacity", model.by_heat_capacity), ("q", model.by_q)):
            right, right_error = teacher[f"melting_temperature_by_{name}_K"]
            definition = {"heat_capacity": "heat capacity", "q": "mean Q = 1/2"}[name]
            for who, t, e in (("teacher", right, right_error), ("model", value, error)):
                self.bar(f"melting temperature by {definition}, {who}, K: error", "< 1 %",
                         f"{t:.1f} ± {e:.1f}", e < 0.01 * t)
            deviation = 100 * (value / right - 1)
            self.bar("difference of the two", "< 2 %", f"{deviation:+.2f} %", abs(deviation) < 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=shutil.which("flashschnet"))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--model", type=Path, default=HERE / "ww.model.safetensors")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("-o", "--output", metavar="FOLDER", help="keep the runs here")
    arguments = parser.parse_args()
    if not arguments.program:
        sys.exit("flashschnet is not on the PATH; give --program")
    checks = Checks(arguments)
    checks.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'':58} {'bar':>10} {'found':>16}")
    checks.errors()
    checks.folding()
    checks.unfolding()
    if not arguments.short:
        checks.melting()
    sys.exit(int(checks.failed))


if __name__ == "__main__":
    main()
