"""A reverse proxy that spoils chosen answers of a real server, and counts what it was asked.

It listens with the upstream's own certificate where the upstream has TLS, so a kubeconfig differs
in its ``server`` only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.servers.faults import Fault, Recorded, Upstream, matches
from tests.servers.relay import Relay


class FaultProxy:
    """The proxy, in threads of this process; :attr:`url` stands in for the upstream's.

    Every fault takes ``method`` (None: any), ``path`` (a regular expression searched for in path
    and query), ``after`` (how many matching requests pass first) and ``times`` (how many are
    spoiled; None: all). The fault added first wins.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.requests: list[Recorded] = []
        self.closing = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = Relay(upstream, self._admit, self.closing)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """The upstream's scheme with the proxy's own port."""
        scheme = urlsplit(self.upstream.url).scheme
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    uri = url

    def answer(
        self,
        status: int,
        body: bytes | str | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
        **which: Any,
    ) -> None:
        """Answer matching requests oneself; a mapping is sent as JSON."""
        kind = "application/json" if isinstance(body, Mapping) else "text/plain"
        text = json.dumps(body) if isinstance(body, Mapping) else body
        content = text.encode() if isinstance(text, str) else text
        all_headers = {"Content-Type": kind, **(headers or {})}
        self.add(Fault(status=status, body=content, headers=all_headers, **which))

    def cut(self, *, at_byte: int | None = None, **which: Any) -> None:
        """Drop the connection: before any answer, or after ``at_byte`` bytes of the answer's body.

        Before any answer, the upstream has not been asked either.
        """
        self.add(Fault(at_byte=-1 if at_byte is None else at_byte, **which))

    def cut_answer(self, **which: Any) -> None:
        """Let the upstream do its work, then drop the connection without telling the client."""
        self.add(Fault(at_byte=-2, **which))

    def delay(self, seconds: float, **which: Any) -> None:
        """Wait before forwarding."""
        self.add(Fault(seconds=seconds, **which))

    def drip(self, seconds: float, **which: Any) -> None:
        """Send the upstream's answer, its headers too, a byte each so many seconds."""
        self.add(Fault(drip=seconds, **which))

    def hold(self, **which: Any) -> threading.Event:
        """Keep matching requests waiting until the returned event is set, then forward them."""
        gate = threading.Event()
        self.add(Fault(gate=gate, **which))
        return gate

    def reset(self, **which: Any) -> None:
        """Reset the connection before any answer, as a firewall does."""
        self.add(Fault(at_byte=-3, **which))

    def recall(self, which: Callable[[Recorded], bool]) -> None:
        """Ask the upstream each of these requests once, and answer from memory after that."""
        self._server.recalls = which

    def add(self, fault: Fault) -> None:
        """Have one more thing go wrong."""
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        """Forget every fault; requests stay recorded."""
        with self._lock:
            for fault in self._faults:
                if fault.gate is not None:
                    fault.gate.set()
            self._faults.clear()

    def count(self, method: str | None = None, path: str = "") -> int:
        """Return how many requests arrived with this method and this expression in their path."""
        return sum(matches(request, method, path) for request in self.requests)

    def close(self) -> None:
        """Stop listening and let every waiting request go."""
        self.closing.set()
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _admit(self, request: Recorded) -> Fault:
        """Record a request and return what is to go wrong with it; nothing by default."""
        with self._lock:
            self.requests.append(request)
            due = [fault for fault in self._faults if fault.takes(request)]
        return due[0] if due else Fault()
