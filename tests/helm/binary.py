"""Find or build the helm that the chart's tests run.

In this order: the program HELM names; ``helm`` on PATH; this project's cache; a build from the Go
module pinned beside this file, which takes some five minutes on two cores, once. As a command
(``python -m tests.helm.binary``) it prints the program's path on stdout and its progress on
stderr, and exits 1 when there is none.
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
PACKAGE = "helm.sh/helm/v4/cmd/helm"
HINT = (
    "no helm: install helm 3.18 or later, or Go 1.26 or later and run "
    "`python -m tests.helm.binary`, or set HELM to the program"
)


def find() -> Path | None:
    """Return helm if it is at hand: nothing is built."""
    if named := os.environ.get("HELM"):
        chosen = shutil.which(named)
        return Path(chosen).absolute() if chosen else None
    if on_path := shutil.which("helm"):
        return Path(on_path).absolute()
    return cached if os.access(cached := _cache(), os.X_OK) else None


def provide() -> Path | None:
    """Return helm, building it when needed.

    A HELM that cannot be run is not papered over: then the answer is None.
    """
    if (found := find()) or os.environ.get("HELM") or not shutil.which("go"):
        return found
    target = _cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        built = Path(scratch) / "helm"
        if not _build(built):
            return None
        # Renamed into the cache: a build cut short is never taken for a whole one.
        built.replace(target)
    return target


def _cache() -> Path:
    """Return this module version's place: new pins in go.mod are a new one."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return base / "m2s" / "helm" / f"{machine}-{hashlib.sha256(pins).hexdigest()[:12]}" / "helm"


def _build(target: Path) -> bool:
    """Compile helm; False, with the compiler's words on stderr, when that fails."""
    _say("building helm from source (once; minutes)")
    # GOFLAGS is cleared: a -mod=… that suits the caller's project does not suit this.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}
    argv = ["go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", str(target), PACKAGE]
    done = subprocess.run(
        argv, cwd=MODULE, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    )
    _say(f"building helm from source: {'done' if done.returncode == 0 else 'failed'}")
    return done.returncode == 0


def _say(line: str) -> None:
    print(f"helm: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the path; the exit code is 1 when there is none."""
    if (found := provide()) is None:
        _say(HINT)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
