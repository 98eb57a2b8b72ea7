"""What the image has: an environment with ``pip install .`` in it and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def install(environment: Path, *options: str) -> Path:
    """Make the environment in a folder, as the Dockerfile does; returns its Python.

    It takes 20 seconds. ``options`` are pip's.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    pins = ["--disable-pip-version-check", "--constraint", str(PROJECT / "constraints.txt")]
    subprocess.run([*pip, *pins, *options, str(PROJECT)], check=True)
    return python
