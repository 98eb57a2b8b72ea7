"""The lab's network: a bridge, a namespace for each pod, and relays between namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

BRIDGE = "pods"
_GATEWAY = "10.244.0.1"
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(2)


def make_bridge() -> None:
    """Make the bridge that pods are on, and the loopback interface work."""
    for words in (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {_GATEWAY}/16 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ):
        _ip(words)


class PodNetwork:
    """A network namespace with an address on the bridge, held by a process that sleeps.

    In it, 127.0.0.1 has the ``ports`` of this namespace's 127.0.0.1: what a URL names is the same.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        number = next(_numbers)
        self.ip = f"10.244.{number // 250}.{number % 250 + 2}"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--", "sleep", "infinity"], stdin=subprocess.DEVNULL
        )
        self._await_namespace()
        pid, name = self._holder.pid, f"pod{number}"
        _ip(f"link add {name} type veth peer name eth0 netns {pid}")
        _ip(f"link set {name} master {BRIDGE} up")
        for words in (
            "link set lo up",
            f"addr add {self.ip}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {_GATEWAY}",
        ):
            _ip(words, *self.enter())
        self._relays = [Relay(self._listen(port), port) for port in ports]

    def enter(self) -> list[str]:
        """Return the words that run a command in here."""
        return ["nsenter", f"--net={self._path}", "--"]

    def close(self) -> None:
        """Remove the namespace."""
        for relay in self._relays:
            relay.close()
        self._holder.kill()
        self._holder.wait()

    @property
    def _path(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net")

    def _await_namespace(self) -> None:
        """Wait until the process has become ``sleep``: then its namespace is the new one."""
        name = Path(f"/proc/{self._holder.pid}/comm")
        while name.read_text().strip() != "sleep":
            os.sched_yield()

    def _listen(self, port: int) -> socket.socket:
        """Return a socket that listens in there: one thread goes there, and ends."""
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(_listening(self._path, port)))
        thread.start()
        thread.join()
        return made[0]


class Relay:
    """Hands connections of a listening socket on to a port of 127.0.0.1 here."""

    def __init__(self, listening: socket.socket, port: int) -> None:
        self._listening, self._port = listening, port
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nothing more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                caller.close()
                continue
            for pair in ((caller, server), (server, caller)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _listening(namespace: Path, port: int) -> socket.socket:
    with namespace.open("rb") as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    return socket.create_server(("127.0.0.1", port), backlog=64)


def _ip(words: str, *before: str) -> None:
    subprocess.run([*before, "ip", *words.split()], stdin=subprocess.DEVNULL, check=True)
