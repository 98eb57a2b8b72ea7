"""Find or build actionlint, which reads the workflow files: seconds, once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.kits import programs

_MODULE = Path(__file__).resolve().parent
_PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
HINT = "no actionlint: install it, or Go 1.26 or later, with which it is built"
_say = programs.teller("actionlint")


def provide() -> Path | None:
    """Return the program: of PATH, of the cache, else built; None where that cannot be done."""
    if on_path := shutil.which("actionlint"):
        return Path(on_path)
    cached = programs.cache("actionlint", _MODULE, "go.mod", "go.sum") / "actionlint"
    if _can_run(cached) or not shutil.which("go"):
        return cached if _can_run(cached) else None
    return programs.made(cached, _build, _can_run)


def _can_run(program: Path) -> bool:
    return os.access(program, os.X_OK)


def _build(target: Path) -> bool:
    return programs.go_build(_MODULE, _PACKAGE, target, _say)
