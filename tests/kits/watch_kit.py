"""``m2s watch`` in a process of its own, and what it has said so far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers import wait_for


class Watch:
    """A running ``m2s watch --log-format json``; ``end`` it, or the fixture does.

    ``program`` is what Python is told to run as m2s.
    """

    def __init__(
        self,
        folder: Path,
        *argv: str,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "m2s"),
    ) -> None:
        self._log = folder / f"watch-{len(list(folder.glob('watch-*')))}.log"
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, *program, "watch", "--log-format", "json", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=folder,
            )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._popen.pid

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self._log.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log lines; whatever is no JSON object is an error."""
        whole = self.text.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, text: str) -> list[dict[str, Any]]:
        """The lines with this text in their message."""
        return [line for line in self.lines if text in line["message"]]

    def await_line(self, text: str, *, count: int = 1, timeout: float = 60) -> dict[str, Any]:
        """Wait for the ``count``-th line with this text and return it."""
        wait_for(
            lambda: len(self.said(text)) >= count or self._popen.poll() is not None,
            f"{text!r} in {self.text}",
            timeout=timeout,
        )
        found = self.said(text)
        assert len(found) >= count, self.text
        return found[count - 1]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """Send it a signal, wait, and return the exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)
        return self._popen.wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        """Wait for it to end by itself and return the exit code."""
        return self._popen.wait(timeout)

    def kill(self) -> None:
        """Kill it at once."""
        self.end(signal.SIGKILL)


Start = Callable[..., Watch]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``m2s watch`` with these arguments; keywords are variables of its environment."""
    started: list[Watch] = []

    def begin(*argv: str, program: Sequence[str] = ("-m", "m2s"), **env: str) -> Watch:
        started.append(Watch(tmp_path, *argv, env=env, program=program))
        return started[-1]

    yield begin
    for each in started:
        each.kill()
        sys.stdout.write(each.text)  # pytest shows it where the test failed
