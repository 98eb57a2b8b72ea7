"""The parts of ``m2s watch`` in one environment, wired to each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from m2s.base.bounds import forever
from m2s.base.errors import Refused
from m2s.base.gate import Gate
from m2s.cli import connect
from m2s.cli.reload import SettingsSource
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.engine.proving import Proof
from m2s.observers import events, logs, metrics
from m2s.observers.last_seen import Sight
from m2s.observers.page import Page
from m2s.observers.writeback import WriteBack
from m2s.platforms import catalogue
from m2s.settings.groups import Settings
from m2s.sources.mlflow.sharing import Shared
from m2s.watch.following import Following
from m2s.watch.loop import Loop
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport
from m2s.watch.triggers import LEADER, Triggers
from m2s.watch.webhook import Receiver

if TYPE_CHECKING:
    from m2s.targets.kubernetes.lease import Lease

_FLUSH = 0.3
"""Seconds that the last Events have to be written when a process is told to end."""
_FLUSH_ONCE = 10.0
"""The same of one pass, which nobody waits for to end."""
_WRITE_ONCE = 60.0
"""Seconds that one pass has to tell MLflow what is live. Told to end, m2s leaves that undone."""


@dataclass(frozen=True)
class Common:
    """What an environment has, "" where there is one alone, and what all of them have."""

    name: str
    source: SettingsSource
    receiver: Receiver | None
    shared: Shared | None


class Parts:
    """The parts of ``m2s watch`` in one environment, wired to each other."""

    def __init__(self, chosen: Settings, common: Common, *, once: bool) -> None:
        self.source, self.environment = common.source, common.name
        self.receiver, self._shared = common.receiver, common.shared
        self.triggers, self._sight = Triggers(), Sight()
        self._back = WriteBack(self._sight.deployments, self._leading)
        self._lease: Lease | None = None
        self.edges = connect.edges(chosen, None if once else self._seen, self._shared)
        self._lease = connect.candidate(
            chosen, self.edges.cluster, partial(self.triggers.poke, LEADER)
        )
        self._back.move(connect.tagging(chosen), chosen.resync)
        self._told = events.Notices(connect.events(chosen))
        self._messages: Counter[str] = Counter()
        self._posted = events.Notices(connect.notifier(chosen, self._messages), renewed=math.inf)
        self.page = Page(chosen, self.edges, self._sight, self._leading)
        self.following = Following(self._sight.deployments, self._gate, self._proven)
        self.following.move(chosen, self.edges)
        deliveries = self._deliveries if self.receiver else None
        self.counted = metrics.Metrics(
            self._leading, deliveries, self._sight.deployments, self._messages
        )
        looking_on = (
            self.counted, self._told, self._posted, self._sight, self.following, self.page,
            self._back,
        )  # fmt: skip
        self.loop = Loop(
            chosen,
            self.edges,
            load=self._load,
            triggers=self.triggers,
            leading=self._leading,
            left=self._lease.left if self._lease else forever,
            observers=(logs.PassLog(), *looking_on),
        )

    def _deliveries(self) -> dict[str, int]:
        came = self.receiver
        return {"accepted": came.poked, "refused": came.refused} if came else {}

    def _gate(self, closed: Callable[[], bool]) -> Gate:
        left = self._lease.left if self._lease else forever
        return Gate(lambda: closed() or not self._leading(), left)

    def _proven(self, proof: Proof) -> None:
        self._told.proven(proof)
        self._posted.proven(proof)
        self.counted.proven(proof)

    def _leading(self) -> bool:
        return self._lease.leading if self._lease else True

    def _seen(self, key: Key, live: LiveDeployment | None) -> None:
        self.triggers.observe(key, live)
        if catalogue.serves(key.kind):
            self._sight.observe(key, live)
            self._back.observe(key, live)

    def _load(self, old: Settings) -> tuple[Settings, Edges]:
        new = self.source.read_again(old)
        connected = connect.edges(new, self._seen, self._shared)
        self._told.move(connect.events(new))
        self._posted.move(connect.notifier(new, self._messages))
        self.page.move(new, connected)
        self.following.move(new, connected)
        self._back.move(connect.tagging(new), new.resync)
        return new, connected

    @contextmanager
    def outside(self, *, once: bool) -> Iterator[None]:
        """Tell others and contend for the Lease, which is given back with the block's end."""
        with ExitStack() as stack:
            stack.callback(self._told.close, _FLUSH_ONCE if once else _FLUSH)
            stack.callback(self._posted.close, _FLUSH_ONCE if once else _FLUSH)
            stack.callback(self._back.close, _WRITE_ONCE if once else 0)
            if self._lease:
                stack.callback(self._lease.release)
                self._lease.start()
            stack.callback(self.following.close)
            yield

    def code(self, told_to_end: Callable[[], bool]) -> int:
        """Wait for what a pass of ``--once`` left to be followed; return the exit code."""
        well = self.following.finish(told_to_end)
        return _exit_code(self.loop.last) or int(not well)


def _exit_code(report: PassReport | None) -> int:
    if report is None:
        return 1
    return {"success": 0, "refused": Refused.exit_code}.get(report.result, 1)
