"""Find or build the helm that the chart's tests run.

In this order: the program HELM names; ``helm`` on PATH; this project's cache; a build from the Go
module pinned beside this file, which takes some five minutes on two cores, once. As a command
(``python -m tests.helm.binary``) it prints the program's path on stdout and its progress on
stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.kits import programs

MODULE = Path(__file__).resolve().parent
PACKAGE = "helm.sh/helm/v4/cmd/helm"
HINT = (
    "no helm: install helm 3.18 or later, or Go 1.26 or later and run "
    "`python -m tests.helm.binary`, or set HELM to the program"
)
_say = programs.teller("helm")


def find() -> Path | None:
    """Return helm if it is at hand: nothing is built."""
    if named := os.environ.get("HELM"):
        chosen = shutil.which(named)
        return Path(chosen).absolute() if chosen else None
    if on_path := shutil.which("helm"):
        return Path(on_path).absolute()
    return cached if _can_run(cached := _cache()) else None


def provide() -> Path | None:
    """Return helm, building it when needed.

    A HELM that cannot be run is not papered over: then the answer is None.
    """
    if (found := find()) or os.environ.get("HELM") or not shutil.which("go"):
        return found
    return programs.made(_cache(), _build, _can_run)


def _cache() -> Path:
    return programs.cache("helm", MODULE, "go.mod", "go.sum") / "helm"


def _can_run(program: Path) -> bool:
    return os.access(program, os.X_OK)


def _build(target: Path) -> bool:
    return programs.go_build(MODULE, PACKAGE, target, _say)


if __name__ == "__main__":
    sys.exit(programs.command(provide, HINT, _say))
