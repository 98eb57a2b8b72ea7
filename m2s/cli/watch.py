"""``m2s watch``: wires edges, triggers, leadership and probes to the loop."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from m2s.base import threads
from m2s.base.bounds import forever
from m2s.base.errors import M2sError, Refused, UsageError, told
from m2s.base.gate import Gate
from m2s.cli import connect, run
from m2s.cli.reload import SettingsSource
from m2s.cli.supervise import Signals, handled, leave, supervise
from m2s.cli.webhook_secret import secret_reader
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.engine.proving import Proof
from m2s.observers import events, logs, metrics
from m2s.observers.last_seen import Sight
from m2s.observers.page import Page
from m2s.observers.writeback import WriteBack
from m2s.platforms import catalogue
from m2s.settings.groups import Settings
from m2s.watch import http_server
from m2s.watch.following import Following
from m2s.watch.loop import Loop
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport
from m2s.watch.triggers import LEADER, WEBHOOK, Triggers
from m2s.watch.webhook import Receiver

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from m2s.targets.kubernetes.lease import Lease

_log = logging.getLogger("m2s.watch")

_FLUSH = 0.3
"""Seconds that the last Events have to be written when a process is told to end."""
_FLUSH_ONCE = 10.0
"""The same of one pass, which nobody waits for to end."""
_WRITE_ONCE = 60.0
"""Seconds that one pass has to tell MLflow what is live. Told to end, m2s leaves that undone."""


def watch(flags: Mapping[str, Any], config: str | None, secret: str | None, *, once: bool) -> int:
    """Watch until told to stop, or make one pass; return the exit code."""
    with handled() as signals:
        source = SettingsSource(flags, config)
        chosen = source.read()
        logs.configure(chosen.log_format)
        try:
            return _watch(chosen, source, secret, signals, once=once)
        except M2sError as error:
            if chosen.log_format != "json":
                raise
            # Whoever reads the log takes it apart line by line, the last one too.
            _log.critical("%s", told(error))
            return error.exit_code


def _watch(
    chosen: Settings, source: SettingsSource, secret: str | None, signals: Signals, *, once: bool
) -> int:
    _raise_if_unusable(chosen, once=once)
    parts = _Parts(chosen, source, secret_reader(secret, chosen), once=once)
    with parts.outside(chosen, once=once):
        _log.info("%s", _heading(chosen, parts.edges))
        run.spare_imports()
        ended = supervise(parts.loop, parts.triggers, source, signals, once=once)
        well = parts.following.finish(lambda: not signals.empty()) if once else True
    code = (_exit_code(parts.loop.last) or int(not well)) if once else 0
    if not ended:
        leave(code)
    return code


class _Parts:
    """The parts of one ``m2s watch``, wired to each other."""

    def __init__(
        self,
        chosen: Settings,
        source: SettingsSource,
        read_secret: Callable[[], str] | None,
        *,
        once: bool,
    ) -> None:
        self._source = source
        self.triggers, self._sight = Triggers(), Sight()
        self._back = WriteBack(self._sight.deployments, self._leading)
        self._lease: Lease | None = None
        self.edges = connect.edges(chosen, None if once else self._seen)
        self._lease = connect.candidate(
            chosen, self.edges.cluster, partial(self.triggers.poke, LEADER)
        )
        self._back.move(connect.tagging(chosen), chosen.resync)
        self._told = events.Notices(connect.events(chosen))
        self._messages: Counter[str] = Counter()
        self._posted = events.Notices(connect.notifier(chosen, self._messages), renewed=math.inf)
        self._page = Page(chosen, self.edges, self._sight, self._leading)
        self.following = Following(self._sight.deployments, self._gate, self._proven)
        self.following.move(chosen, self.edges)
        poked = partial(self.triggers.poke, WEBHOOK)
        self._receiver = Receiver(read_secret, poked) if read_secret else None
        deliveries = self._deliveries if read_secret else None
        self._counted = metrics.Metrics(
            self._leading, deliveries, self._sight.deployments, self._messages
        )
        looking_on = (
            self._counted, self._told, self._posted, self._sight, self.following, self._page,
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
        came = self._receiver
        return {"accepted": came.poked, "refused": came.refused} if came else {}

    def _gate(self, closed: Callable[[], bool]) -> Gate:
        left = self._lease.left if self._lease else forever
        return Gate(lambda: closed() or not self._leading(), left)

    def _proven(self, proof: Proof) -> None:
        self._told.proven(proof)
        self._posted.proven(proof)
        self._counted.proven(proof)

    def _leading(self) -> bool:
        return self._lease.leading if self._lease else True

    def _seen(self, key: Key, live: LiveDeployment | None) -> None:
        self.triggers.observe(key, live)
        if catalogue.serves(key.kind):
            self._sight.observe(key, live)
            self._back.observe(key, live)

    def _load(self, old: Settings) -> tuple[Settings, Edges]:
        new = self._source.read_again(old)
        connected = connect.edges(new, self._seen)
        self._told.move(connect.events(new))
        self._posted.move(connect.notifier(new, self._messages))
        self._page.move(new, connected)
        self.following.move(new, connected)
        self._back.move(connect.tagging(new), new.resync)
        return new, connected

    @contextmanager
    def outside(self, chosen: Settings, *, once: bool) -> Iterator[None]:
        """Be seen and contend for the Lease; both end with the block, the Lease given back."""
        with ExitStack() as stack:
            stack.callback(self._told.close, _FLUSH_ONCE if once else _FLUSH)
            stack.callback(self._posted.close, _FLUSH_ONCE if once else _FLUSH)
            stack.callback(self._back.close, _WRITE_ONCE if once else 0)
            if chosen.listen and not once:
                server = http_server.Httpd(chosen.listen, self._routes())
                stack.callback(server.close)
                server.start()
            if self._lease:
                stack.callback(self._lease.release)
                self._lease.start()
            stack.callback(self.following.close)
            yield

    def _routes(self) -> dict[str, WSGIApplication]:
        """Return what is answered under which path."""
        table: dict[str, WSGIApplication] = {
            "/": self._page.application,
            "/healthz": http_server.probe(lambda: self.loop.stuck() or threads.fault(threads.DEAD)),
            "/readyz": http_server.probe(lambda: self.loop.unready() or threads.fault()),
            "/metrics": self._counted.application,
        }
        return table | ({"/mlflow": self._receiver} if self._receiver else {})


def _heading(chosen: Settings, edges: Edges) -> str:
    selectors = ", ".join(map(str, chosen.selectors))
    where = f"namespace {edges.cluster.namespace} at {edges.cluster.identity}"
    policy = "sync" if chosen.syncs else "upsert-only"
    every = f"every {chosen.interval:g} s, {policy}"
    return f"watching {selectors} of {edges.registry.identity} → {where}, {every}"


def _raise_if_unusable(chosen: Settings, *, once: bool) -> None:
    if not chosen.selectors:
        there = run.there_is(connect.registry(chosen).offers())
        raise UsageError(f"no selector: give --stage or --alias; {there}")
    connect.check_follows(chosen)
    if chosen.leader_elect and chosen.folder:
        raise UsageError("--leader-elect wants a Kubernetes cluster: a folder has no Lease")
    if chosen.leader_elect and once:
        raise UsageError("--once and --leader-elect exclude each other: use `m2s apply`")


def _exit_code(report: PassReport | None) -> int:
    if report is None:
        return 1
    return {"success": 0, "refused": Refused.exit_code}.get(report.result, 1)
