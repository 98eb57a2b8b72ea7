"""Find, fetch or build the kube-apiserver and etcd that the tests start.

In this order: the folder KUBEBUILDER_ASSETS names (envtest's convention); this project's cache;
a download with envtest's own tool; a build from the Go modules pinned beside this file, which
takes some seven minutes on two cores, once. As a command (``python -m tests.controlplane.assets``)
it prints the folder on stdout and its progress on stderr, and exits 1 when there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kits import programs

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
_say = programs.teller("assets")


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
    return programs.made(_cache(), _make, _complete)


def _make(folder: Path) -> bool:
    folder.mkdir()
    return _download(folder) or _build(folder)


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in PROGRAMS)


def _cache() -> Path:
    return programs.cache("envtest", MODULE, "go.mod", "go.sum")


def _download(folder: Path) -> bool:
    """Ask envtest's tool; False when it, or what it downloads from, cannot be reached."""
    _say(f"downloading kube-apiserver and etcd {_KUBERNETES} with setup-envtest")
    scratch = folder.parent
    use = ["use", _KUBERNETES, "-p", "path", "--bin-dir", str(scratch / "envtest")]
    argv = ["go", "run", _SETUP_ENVTEST, *use]
    try:
        answer = subprocess.run(
            argv,
            cwd=scratch,
            env=programs.go_environment(),
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
    built = (
        programs.go_build(MODULE, package, folder / name, _say)
        for name, package in PROGRAMS.items()
    )
    return all(built) and _complete(folder)


if __name__ == "__main__":
    sys.exit(programs.command(provide, HINT, _say))
