"""Find, fetch or build the kube-apiserver and etcd that the tests start.

In this order: the folder KUBEBUILDER_ASSETS names (envtest's convention); this project's cache;
a download with envtest's own tool; a build from the Go modules pinned beside this file, which
takes some seven minutes on two cores, once. As a command (``python -m tests.controlplane.assets``)
it prints the folder on stdout and its progress on stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULE = Path(__file__).resolve().parent
PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
HINT = (
    "no kube-apiserver and etcd: install Go 1.26 or later and run "
    "`python -m tests.controlplane.assets`, or set KUBEBUILDER_ASSETS to a folder that has both"
)
_SETUP_ENVTEST = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"
_KUBERNETES = "1.36.x"
_DOWNLOAD_SECONDS = 180
_HEARTBEAT_SECONDS = 30


def find() -> Path | None:
    """Return the folder with both programs if it is at hand: nothing is fetched or built."""
    if named := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(named).expanduser()
        return folder if _complete(folder) else None
    return cached if _complete(cached := _cache()) else None


def provide() -> Path | None:
    """Return the folder with both programs, fetching or building them when needed.

    A KUBEBUILDER_ASSETS that lacks one is not papered over: then the answer is None.
    """
    if (found := find()) or os.environ.get("KUBEBUILDER_ASSETS"):
        return found
    if not shutil.which("go"):
        return None
    target = _cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        folder = Path(scratch) / "bin"
        folder.mkdir()
        if not (_download(Path(scratch), folder) or _build(folder)):
            return None
        return _publish(folder, target)


def _publish(folder: Path, target: Path) -> Path:
    """Rename into the cache, so that a build cut short is never taken for a whole one."""
    try:
        folder.rename(target)
    except OSError:
        if not _complete(target):  # else somebody else was quicker
            raise
    return target


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in PROGRAMS)


def _cache() -> Path:
    """Return this module version's folder: new pins in go.mod are a new folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return base / "m2s" / "envtest" / f"{machine}-{hashlib.sha256(pins).hexdigest()[:12]}"


def _download(scratch: Path, folder: Path) -> bool:
    """Ask envtest's tool; False when it, or what it downloads from, cannot be reached."""
    _say(f"downloading kube-apiserver and etcd {_KUBERNETES} with setup-envtest")
    use = ["use", _KUBERNETES, "-p", "path", "--bin-dir", str(scratch / "envtest")]
    argv = ["go", "run", _SETUP_ENVTEST, *use]
    try:
        # GOFLAGS is cleared: a -mod=… that suits the caller's project does not suit this.
        answer = subprocess.run(
            argv,
            cwd=scratch,
            env={**os.environ, "GOFLAGS": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        _say(f"setup-envtest did not finish in {_DOWNLOAD_SECONDS} s")
        return False
    except subprocess.CalledProcessError as failure:
        _say(f"setup-envtest: {(failure.stderr.strip() or 'failed').splitlines()[-2:][0]}")
        return False
    downloaded = Path(answer.stdout.strip())
    if _complete(downloaded):
        for name in PROGRAMS:
            shutil.copy2(downloaded / name, folder / name)
    return _complete(folder)


def _build(folder: Path) -> bool:
    """Compile both programs; False, with the compiler's words on stderr, when that fails."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}
    for name, package in PROGRAMS.items():
        flags = ["-buildvcs=false", "-ldflags=-s -w", "-o", str(folder / name)]
        if not _run(["go", "build", *flags, package], environment, f"building {name}"):
            return False
    return _complete(folder)


def _run(argv: Sequence[str], environment: Mapping[str, str], what: str) -> bool:
    """Run a long command from the Go module's folder, with a line on stderr now and then."""
    started = time.monotonic()
    _say(f"{what} from source (once; minutes)")
    process = subprocess.Popen(
        argv, cwd=MODULE, env=dict(environment), stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        while True:
            try:
                code = process.wait(_HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                _say(f"{what}: {time.monotonic() - started:.0f} s")
            else:
                _say(f"{what}: {'done' if code == 0 else 'failed'}")
                return code == 0
    finally:
        process.kill()


def _say(line: str) -> None:
    print(f"assets: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the folder; the exit code is 1 when there is none."""
    if (folder := provide()) is None:
        _say(HINT)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
