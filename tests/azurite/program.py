"""Find or install the azurite-blob that the tests of Azure Blob Storage start.

In this order: the program AZURITE names; ``azurite-blob`` on PATH; this project's cache; an
installation with npm of what the lock file beside this file pins, which takes half a minute, once.
As a command (``python -m tests.azurite.program``) it prints the program's path on stdout and its
progress on stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kits import programs

MODULE = Path(__file__).resolve().parent
NAME = "azurite-blob"
HINT = (
    "no azurite-blob: install Node.js 20 or later with npm and run "
    "`python -m tests.azurite.program`, or set AZURITE to the program"
)
_MANIFESTS = ("package.json", "package-lock.json")
_INSTALL_SECONDS = 600
_say = programs.teller("azurite")


def find() -> Path | None:
    """Return azurite-blob if it is at hand: nothing is installed."""
    if named := os.environ.get("AZURITE"):
        return _absolute(shutil.which(named))
    if not shutil.which("node"):
        return None
    if on_path := shutil.which(NAME):
        return _absolute(on_path)
    return _program(cached) if _is_whole(cached := _cache()) else None


def provide() -> Path | None:
    """Return azurite-blob, installing it when needed.

    An AZURITE that cannot be run is not papered over: then the answer is None.
    """
    if (found := find()) or os.environ.get("AZURITE"):
        return found
    if not (shutil.which("npm") and shutil.which("node")):
        return None
    folder = programs.made(_cache(), _install, _is_whole)
    return _program(folder) if folder else None


def _absolute(program: str | None) -> Path | None:
    return Path(program).absolute() if program else None


def _program(folder: Path) -> Path:
    return folder / "node_modules" / ".bin" / NAME


def _cache() -> Path:
    return programs.cache("azurite", MODULE, *_MANIFESTS)


def _is_whole(folder: Path) -> bool:
    return os.access(_program(folder), os.X_OK)


def _install(folder: Path) -> bool:
    """Install with npm, running no package's scripts; False, with npm's words, when that fails."""
    _say("installing with npm (once; half a minute)")
    folder.mkdir()
    for name in _MANIFESTS:
        shutil.copy2(MODULE / name, folder / name)
    options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            ["npm", "ci", *options],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        _say(f"npm did not finish in {_INSTALL_SECONDS} s")
        return False
    return done.returncode == 0 and _is_whole(folder)


if __name__ == "__main__":
    sys.exit(programs.command(provide, HINT, _say))
