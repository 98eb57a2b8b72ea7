"""An environment of BentoML's own package, for the example's service, made once and cached.

It is not the project's: both want other versions of the same packages.
"""

from __future__ import annotations

from pathlib import Path

from tests.kits import programs

HINT = "no BentoML: its packages cannot be installed from the index"


def provide() -> Path | None:
    """Return the environment's Python; None where it cannot be made."""
    return programs.environment("bentoml", Path(__file__).resolve().parent)
