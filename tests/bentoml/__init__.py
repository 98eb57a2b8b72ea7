"""An environment of BentoML's own package, for the example's service, made once and cached.

It is not the project's: both want other versions of the same packages.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kits import programs

MODULE = Path(__file__).resolve().parent
_PINS = "requirements.txt"
HINT = "no BentoML: its packages cannot be installed from the index"
_SECONDS = 1200


def provide() -> Path | None:
    """Return the environment's Python; None where it cannot be made."""
    made = programs.cache("bentoml", MODULE, _PINS) / "environment"
    if not _is_whole(made) and not programs.made(made, _make, _is_whole):
        return None
    return made / "bin" / "python"


def _is_whole(environment: Path) -> bool:
    return (environment / "bin" / "python").exists()


def _make(new: Path) -> bool:
    programs.teller("bentoml")("making an environment (once; some minutes)")
    python = str(new / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    argvs = ([sys.executable, "-m", "venv", str(new)], [*pip, "-r", str(MODULE / _PINS)])
    return all(
        subprocess.run(argv, stdout=sys.stderr, timeout=_SECONDS, check=False).returncode == 0
        for argv in argvs
    )
