"""An environment of MLServer and its MLflow runtime, for pods that run, made once and cached."""

from __future__ import annotations

from pathlib import Path

from tests.kits import programs

HINT = "no MLServer: its packages cannot be installed from the index"


def provide() -> Path | None:
    """Return the environment's Python; None where it cannot be made."""
    return programs.environment("mlserver", Path(__file__).resolve().parent)
