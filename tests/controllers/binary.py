"""Find or build the kube-controller-manager and kube-scheduler that some tests start.

In this order: this project's cache; a build from the Go module pinned beside this file, which takes
a minute or two after the API server's, once. As a command (``python -m tests.controllers.binary``)
it prints the folder on stdout and its progress on stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.kits import programs

MODULE = Path(__file__).resolve().parent
NAMES = ("kube-controller-manager", "kube-scheduler")
HINT = (
    "no kube-controller-manager and kube-scheduler: install Go 1.26 or later and run "
    "`python -m tests.controllers.binary`"
)
_say = programs.teller("controllers")


def _is_whole(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NAMES)


def _build(folder: Path) -> bool:
    folder.mkdir()
    return all(
        programs.go_build(MODULE, f"k8s.io/kubernetes/cmd/{name}", folder / name, _say)
        for name in NAMES
    )


_BUILT = programs.Built("controllers", MODULE, _build, _is_whole)
find, provide = _BUILT.find, _BUILT.provide

if __name__ == "__main__":
    sys.exit(programs.command(provide, HINT, _say))
