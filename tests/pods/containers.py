"""A container: a program in a box of its own, in its pod's network."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.pods.network import PodNetwork

_BOXED = Path(__file__).with_name("boxed.py")
_OWN = ["--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child=KILL"]


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the machine at a path of the container."""

    source: str
    path: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a container is started with, all of it worked out; ``name`` is its host's."""

    name: str
    ip: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    folders: Sequence[str]
    volumes: Sequence[Mount]
    read_only: bool


class Container:
    """Started by the constructor; what it prints is in ``log``. ``folder`` is its pod's."""

    def __init__(self, asked: Asked, network: PodNetwork, folder: Path, log: Path) -> None:
        self.log = log
        root = Path(tempfile.mkdtemp(prefix="root-", dir=folder))
        file = root.with_suffix(".json")
        file.write_text(json.dumps({**asdict(asked), "root": str(root)}))
        boxed = [sys.executable, "-I", "-S", str(_BOXED), str(file)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*network.enter(), "unshare", *_OWN, "--", *boxed],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def exit_code(self) -> int | None:
        """Return the exit code, 128 and the signal's number for a signal; None while it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def await_end(self, seconds: float) -> bool:
        """Whether it ends within this time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> None:
        """Send SIGTERM to the program."""
        if pid := self._pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if pid := self._pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def run(self, argv: Sequence[str], seconds: float) -> bool:
        """Whether a command in the container ends with 0 within this time."""
        if not (pid := self._pid()):
            return False
        variables = filter(None, Path(f"/proc/{pid}/environ").read_text().split("\0"))
        inside = ["nsenter", f"--target={pid}", "--mount", "--uts", "--net", "--pid"]
        inside += ["--root", "--wd=/", "--", "env", "-i", *variables]
        try:
            done = subprocess.run(
                [*inside, *argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def tail(self) -> str:
        """Return the end of what it printed, as much as Kubernetes keeps of it."""
        text = self.log.read_bytes().decode(errors="replace")
        return "\n".join(text.splitlines()[-80:])[-2048:]

    def _pid(self) -> int | None:
        """Return the program's own: what ``unshare`` started."""
        pid = self._process.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return int(children[0]) if children else None
        return None
