"""Child processes that do not outlive the tests, free ports, and waiting for a condition."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Linux sends the signal when the parent dies, however it dies; elsewhere a killed pytest leaves
# its servers behind.
_GUARD = (
    "import ctypes, os, signal, sys;"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class ServerFailed(RuntimeError):
    """A server under test did not come up; the message ends with its last log lines."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on.

    Taken from below the kernel's ephemeral range, so that while a server is down no outgoing
    connection of somebody else's is given its port.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_for(condition: Callable[[], T], what: str, *, timeout: float = 60.0) -> T:
    """Return the first true value of ``condition``, asked every 50 ms for ``timeout`` seconds.

    Raises AssertionError naming ``what`` when there is none.
    """
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Processes started in here end by SIGINT, also where the tests themselves ignore it.

    A shell without job control starts `make test &` so, and an ignored signal is inherited.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Process:
    """A server process in a process group of its own, its output in a log file.

    Start it from the main thread: on Linux it ends with the thread that started it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        if os.environ.get("M2S_TEST_QUICK") == "1":
            raise AssertionError(f"make test-quick starts no server: @pytest.mark.server, {argv}")
        self.log = log
        self.name = Path(argv[0]).name
        guard = [sys.executable, "-I", "-S", "-c", _GUARD] if sys.platform == "linux" else []
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*guard, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not exited."""
        return self._popen.poll() is None

    def await_ready(self, ready: Callable[[], bool], *, timeout: float = 120.0) -> None:
        """Wait until ``ready()``; raise ServerFailed when the process exits or time runs out."""
        try:
            wait_for(lambda: ready() or not self.running, self.name, timeout=timeout)
        except AssertionError as late:
            raise ServerFailed(f"{late}; its log ends:\n{self.tail()}") from None
        if not self.running:
            raise ServerFailed(f"{self.name} exited; its log ends:\n{self.tail()}")

    def kill(self) -> None:
        """End the process and its children at once, as a crash would; twice does no harm."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait()

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return
