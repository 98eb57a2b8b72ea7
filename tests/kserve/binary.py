"""Find or build the KServe controller that some tests start, and the definitions it comes with.

In this order: this project's cache; a build from the Go module pinned beside this file, which
takes some three minutes on two cores, once. As a command (``python -m tests.kserve.binary``) it
prints the folder on stdout and its progress on stderr, and exits 1 when there is none. In the
folder are the program ``manager`` and ``config``, of the module's folder of that name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kits import programs

MODULE = Path(__file__).resolve().parent
HINT = (
    "no KServe controller: install Go 1.26 or later and run `python -m tests.kserve.binary` and "
    "`python -m tests.controllers.binary`"
)
_KSERVE = "github.com/kserve/kserve"
_PARTS = ("configmap", "crd", "runtimes", "storagecontainers", "webhook")
_say = programs.teller("kserve")


def _is_whole(folder: Path) -> bool:
    return os.access(folder / "manager", os.X_OK)


def _build(folder: Path) -> bool:
    folder.mkdir()
    package = f"{_KSERVE}/cmd/manager"
    return programs.go_build(MODULE, package, folder / "manager", _say) and _copy_config(folder)


def _copy_config(folder: Path) -> bool:
    asked = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", _KSERVE],
        cwd=MODULE,
        env=programs.go_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        return False
    for part in _PARTS:
        target = folder / "config" / part
        # Go keeps modules read-only: what is copied can be removed again.
        shutil.copytree(Path(asked.stdout.strip()) / "config" / part, target, copy_function=_plain)
        target.chmod(0o755)
        for each in target.rglob("*"):
            if each.is_dir():
                each.chmod(0o755)
    return True


def _plain(source: str, target: str) -> None:
    shutil.copyfile(source, target)


_BUILT = programs.Built("kserve", MODULE, _build, _is_whole)
find, provide = _BUILT.find, _BUILT.provide

if __name__ == "__main__":
    sys.exit(programs.command(provide, HINT, _say))
