"""Quiet passes of ``watch``, in the process that ``m2s watch`` is: what each costs.

``python -m tests.bench.quiet PASSES FLAGS…`` prints medians as JSON. What comes over the wire is
counted where Python's own sockets and HTTP client read and write it, after decryption.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from m2s.base.gate import Gate
from m2s.cli import planning
from m2s.cli.app import app  # noqa: F401 - what the command imports
from m2s.cli.connect import edges as connected
from m2s.cli.reload import SettingsSource
from m2s.watch.absences import Absences
from m2s.watch.passes import Pass
from m2s.watch.triggers import Triggers


class Meter:
    """Counts requests that are made and bytes that are received, in this process."""

    def __init__(self) -> None:
        self.requests = self.bytes = 0
        self._patch()

    def _patch(self) -> None:
        stream_type: Any = socket.SocketIO
        connection_type: Any = http.client.HTTPConnection
        read, ask = stream_type.readinto, connection_type.putrequest

        def counted(stream: Any, buffer: Any) -> Any:
            number = read(stream, buffer)
            self.bytes += number or 0
            return number

        def putrequest(connection: Any, *argv: Any, **more: Any) -> None:
            self.requests += 1
            ask(connection, *argv, **more)

        stream_type.readinto = counted
        connection_type.putrequest = putrequest

    @contextmanager
    def measuring(self, into: list[dict[str, float]]) -> Iterator[None]:
        """Measure a block."""
        before = (self.requests, self.bytes, time.process_time(), time.perf_counter())
        yield
        after = (self.requests, self.bytes, time.process_time(), time.perf_counter())
        names = ("requests", "bytes", "cpu", "seconds")
        into.append({n: a - b for n, a, b in zip(names, after, before, strict=True)})


def main(passes: int, flags: list[str]) -> None:
    """Make some passes until nothing is news, then measure."""
    meter = Meter()
    given = {name.lstrip("-"): value for name, value in zip(flags[::2], flags[1::2], strict=True)}
    chosen = SettingsSource(given, None).read()
    edges = connected(chosen, Triggers().observe)
    planning.spare_imports()
    absences, last = Absences(), None
    first: list[dict[str, float]] = []
    quiet: list[dict[str, float]] = []
    for number in range(3 + passes):
        with meter.measuring(quiet if number >= 3 else first):
            last = Pass(edges, chosen, absences, "interval", Gate(), last).make()
        if last.result != "success":
            raise SystemExit(f"a pass ended with {last.result}: {last.message}")
        time.sleep(0.2)
    edges.close()
    medians = {name: statistics.median(one[name] for one in quiet) for name in quiet[0]}
    print(json.dumps({"first": first[0], "quiet": medians}))  # noqa: T201 - its answer
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
