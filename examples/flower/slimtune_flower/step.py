"""`slimtune federate step` as a function from NumPy arrays to NumPy arrays."""

import json
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

Tensors = dict[str, np.ndarray]


def command(config, data: str, out: Path) -> list[str]:
    """The words that all calls begin with."""
    words = [*shlex.split(str(config["slimtune"])), "federate", "step"]
    words += ["--model", str(config["model"]), "--data", data, "--out", str(out)]
    return words + shlex.split(str(config["options"]))


def initial(config, data: str = "UNUSED") -> Tensors:
    """What the first round begins with."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "initial.safetensors"
        subprocess.run([*command(config, data, out), "--initial"], check=True)
        return load_file(out)


def step(config, data: str, begins: Tensors, round_number: int) -> tuple[Tensors, int, dict[str, float]]:
    """A round of one client: its next tensors, how many rows it has, and its figures."""
    with TemporaryDirectory() as folder:
        before, out = Path(folder) / "begins.safetensors", Path(folder) / "next.safetensors"
        save_file(begins, before)
        words = [*command(config, data, out), "--begins", str(before), "--round", str(round_number)]
        told = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return load_file(out), told["examples"], told["figures"]
