"""Find or install the azurite-blob that the tests of Azure Blob Storage start.

In this order: the program AZURITE names; ``azurite-blob`` on PATH; this project's cache; an
installation with npm of what the lock file beside this file pins, which takes half a minute, once.
As a command (``python -m tests.azurite.program``) it prints the program's path on stdout and its
progress on stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = Path(__file__).resolve().parent
NAME = "azurite-blob"
HINT = (
    "no azurite-blob: install Node.js 20 or later with npm and run "
    "`python -m tests.azurite.program`, or set AZURITE to the program"
)
_MANIFESTS = ("package.json", "package-lock.json")
_INSTALL_SECONDS = 600


def find() -> Path | None:
    """Return azurite-blob if it is at hand: nothing is installed."""
    if named := os.environ.get("AZURITE"):
        return _absolute(shutil.which(named))
    if not shutil.which("node"):
        return None
    if on_path := shutil.which(NAME):
        return _absolute(on_path)
    return cached if os.access(cached := _program(_cache()), os.X_OK) else None


def provide() -> Path | None:
    """Return azurite-blob, installing it when needed.

    An AZURITE that cannot be run is not papered over: then the answer is None.
    """
    if (found := find()) or os.environ.get("AZURITE"):
        return found
    if not (shutil.which("npm") and shutil.which("node")):
        return None
    target = _cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        folder = Path(scratch) / "npm"
        folder.mkdir()
        return _program(_publish(folder, target)) if _install(folder) else None


def _absolute(program: str | None) -> Path | None:
    return Path(program).absolute() if program else None


def _program(folder: Path) -> Path:
    return folder / "node_modules" / ".bin" / NAME


def _cache() -> Path:
    """Return this lock file's place: new pins are a new one."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = b"".join((MODULE / name).read_bytes() for name in _MANIFESTS)
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return base / "m2s" / "azurite" / f"{machine}-{hashlib.sha256(pins).hexdigest()[:12]}"


def _install(folder: Path) -> bool:
    """Install with npm, running no package's scripts; False, with npm's words, when that fails."""
    _say("installing with npm (once; half a minute)")
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
    return done.returncode == 0 and os.access(_program(folder), os.X_OK)


def _publish(folder: Path, target: Path) -> Path:
    """Rename into the cache, so that an installation cut short is never taken for a whole one."""
    try:
        folder.rename(target)
    except OSError:
        if not _program(target).exists():  # else somebody else was quicker
            raise
    return target


def _say(line: str) -> None:
    print(f"azurite: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the path; the exit code is 1 when there is none."""
    if (found := provide()) is None:
        _say(HINT)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
