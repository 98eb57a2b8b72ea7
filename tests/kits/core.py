"""What the image has: an environment with ``pip install .`` in it and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def install(environment: Path, *options: str) -> Path:
    """Make the environment in a folder, as the Dockerfile does; returns its Python.

    It takes half a minute. ``options`` are pip's.
    """
    builder = environment.with_name(f"{environment.name}-builder")
    subprocess.run([sys.executable, "-m", "venv", builder], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python, pip = environment / "bin" / "python", [f"{builder}/bin/python", "-m", "pip"]
    install = ["install", "--quiet", "--disable-pip-version-check"]
    into = [*pip, "--python", str(python), *install, *options]
    locked = ["--require-hashes", "--requirement"]
    wheels = ["--no-build-isolation", "--no-deps", "--wheel-dir", f"{builder}/wheel"]
    subprocess.run([*pip, *install, *locked, f"{PROJECT}/locks/build.txt"], check=True)
    subprocess.run([*pip, "wheel", "--quiet", *wheels, str(PROJECT)], check=True)
    subprocess.run([*into, *locked, f"{PROJECT}/locks/core.txt"], check=True)
    (wheel,) = (builder / "wheel").iterdir()
    subprocess.run([*into, "--no-index", "--no-deps", str(wheel)], check=True)
    return python
