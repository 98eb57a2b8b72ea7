"""What a node asks a container: HTTP, TCP, a command."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

from tests.pods.given import Unable

Json = dict[str, Any]
Run = Callable[[list[str], float], bool]
"""Runs a command in the container, for so many seconds at most; whether it ended with 0."""
_UNTRUSTED = ssl._create_unverified_context()  # noqa: S323 - as a kubelet asks


class Probe:
    """One probe of one container: when it is due, and what its answers amount to."""

    def __init__(self, asked: Json, ip: str, ports: Mapping[str, int]) -> None:
        self._asked, self._ip, self._ports = asked, ip, ports
        self._period = asked.get("periodSeconds", 10)
        self._due = time.monotonic() + asked.get("initialDelaySeconds", 0)
        self._last: bool | None = None
        self._run = 0
        self.passed: bool | None = None
        """What it says by now: None as long as neither threshold is reached."""

    def look(self, run: Run) -> None:
        """Ask if it is time to."""
        if time.monotonic() < self._due:
            return
        answer = self._ask(run)
        self._due = time.monotonic() + self._period
        self._run = self._run + 1 if answer is self._last else 1
        self._last = answer
        wanted = self._asked.get("successThreshold", 1)
        if self._run >= (wanted if answer else self._asked.get("failureThreshold", 3)):
            self.passed = answer

    def _ask(self, run: Run) -> bool:
        seconds = self._asked.get("timeoutSeconds", 1)
        if "exec" in self._asked:
            return run(self._asked["exec"]["command"], seconds)
        if "tcpSocket" in self._asked:
            port = self._port(self._asked["tcpSocket"]["port"])
            with contextlib.suppress(OSError):
                socket.create_connection((self._ip, port), seconds).close()
                return True
            return False
        if "httpGet" in self._asked:
            return self._get(self._asked["httpGet"], seconds)
        raise Unable("the lab has no probes by grpc")

    def _get(self, asked: Json, seconds: float) -> bool:
        url = f"{asked.get('scheme', 'HTTP').lower()}://{self._ip}:{self._port(asked['port'])}"
        headers = {each["name"]: each["value"] for each in asked.get("httpHeaders", ())}
        request = urllib.request.Request(url + asked.get("path", "/"), headers=headers)
        asking = urllib.request.urlopen
        try:
            with asking(request, timeout=seconds, context=_UNTRUSTED) as answer:
                return bool(answer.status < 400)
        except (OSError, HTTPException):
            return False

    def _port(self, port: int | str) -> int:
        return port if isinstance(port, int) else self._ports[port]
