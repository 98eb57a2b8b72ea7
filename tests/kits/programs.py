"""What the finders of the tests' servers and programs share: the cache, and a command each."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_HEARTBEAT_SECONDS = 30
Say = Callable[[str], None]
# Now: the tests get a home of their own, and would look for the programs there.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache(kind: str, module: Path, *manifests: str) -> Path:
    """Return where the cache keeps what ``module`` pins in its manifests: new pins, a new place."""
    pins = b"".join((module / name).read_bytes() for name in manifests)
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return _CACHE / "m2s" / kind / f"{machine}-{hashlib.sha256(pins).hexdigest()[:12]}"


def made(
    target: Path, make: Callable[[Path], bool], is_whole: Callable[[Path], bool]
) -> Path | None:
    """Return ``target`` once ``make`` made it, None where that failed.

    It is made under another name and then renamed: what was cut short is never taken for whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        new = Path(scratch) / target.name
        if not make(new):
            return None
        try:
            new.rename(target)
        except OSError:
            if not is_whole(target):  # else somebody else was quicker
                raise
    return target


@dataclass(frozen=True)
class Built:
    """What is built of the Go module in ``module``, once, and kept in the cache as ``kind``.

    ``build`` makes the folder that it is given, and says whether that worked.
    """

    kind: str
    module: Path
    build: Callable[[Path], bool]
    is_whole: Callable[[Path], bool]

    def find(self) -> Path | None:
        """Return the folder if it is at hand: nothing is built."""
        return cached if self.is_whole(cached := self._cache()) else None

    def provide(self) -> Path | None:
        """Return the folder, building it when needed; None without Go, or where that failed."""
        if (found := self.find()) or not shutil.which("go"):
            return found
        return made(self._cache(), self.build, self.is_whole)

    def _cache(self) -> Path:
        return cache(self.kind, self.module, "go.mod", "go.sum")


_PINS = "requirements.txt"
_INSTALL_SECONDS = 1200


def environment(kind: str, module: Path) -> Path | None:
    """Return the Python of an environment with what ``module`` pins; None where none is made."""
    target = cache(kind, module, _PINS) / "environment"

    def make(new: Path) -> bool:
        teller(kind)("making an environment (once; some minutes)")
        pip = [str(new / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pins = ["--disable-pip-version-check", "-r", str(module / _PINS)]
        return all(
            subprocess.run(
                argv, stdout=sys.stderr, timeout=_INSTALL_SECONDS, check=False
            ).returncode
            == 0
            for argv in ([sys.executable, "-m", "venv", str(new)], [*pip, *pins])
        )

    whole = _has_python(target) or made(target, make, _has_python)
    return target / "bin" / "python" if whole else None


def _has_python(environment: Path) -> bool:
    return (environment / "bin" / "python").exists()


def go_build(module: Path, package: str, target: Path, say: Say) -> bool:
    """Compile a program with the versions that ``module`` pins; False when that fails.

    The compiler's words go to stderr, and a line now and then: it takes minutes.
    """
    argv = ["go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", str(target), package]
    started, what = time.monotonic(), f"building {target.name}"
    say(f"{what} from source (once; minutes)")
    process = subprocess.Popen(
        argv, cwd=module, env=go_environment(), stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        while True:
            try:
                code = process.wait(_HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{what}: {time.monotonic() - started:.0f} s")
            else:
                say(f"{what}: {'done' if code == 0 else 'failed'}")
                return code == 0
    finally:
        process.kill()


def go_environment() -> dict[str, str]:
    """Return Go's environment; a -mod=… that suits the caller's project does not suit ours."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}


def teller(name: str) -> Say:
    """Return what tells the progress, on stderr."""
    return lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True)


def command(provide: Callable[[], Path | None], hint: str, say: Say) -> int:
    """Print where it is; the exit code is 1 when there is none."""
    if (found := provide()) is None:
        say(hint)
        return 1
    print(found)
    return 0
