"""``m2s watch``: wires edges, triggers, leadership and probes to the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from m2s import httpd, logs, metrics, notices
from m2s.cli import run
from m2s.cli.secret import secret_reader
from m2s.cli.source import Source
from m2s.cli.supervise import Signals, handled, leave, supervise
from m2s.cluster import Cluster
from m2s.errors import M2sError, Refused, UsageError
from m2s.live import LiveDeployment
from m2s.model import Key
from m2s.page import Page
from m2s.report import PassReport
from m2s.settings import Settings
from m2s.sight import Sight
from m2s.watch.loop import Loop
from m2s.watch.passes import Edges
from m2s.watch.quiet import Quiet
from m2s.watch.triggers import LEADER, WEBHOOK, Triggers
from m2s.webhook import Receiver
from m2s.writeback import WriteBack

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from m2s.cluster.events import Events
    from m2s.cluster.lease import Lease
    from m2s.cluster.watching import Seen
    from m2s.registry.tagging import Tagging

_log = logging.getLogger("m2s.watch")

_LEASE_TIMEOUT = 3.0
"""Seconds for a request about the Lease: some of them fit between two renewals' deadline."""
_FLUSH = 0.3
"""Seconds that the last Events have to be written when a process is told to end."""
_FLUSH_ONCE = 10.0
"""The same of one pass, which nobody waits for to end."""
_WRITE_ONCE = 60.0
"""Seconds that one pass has to tell MLflow what is live. Told to end, m2s leaves that undone."""


def watch(flags: Mapping[str, Any], config: str | None, secret: str | None, *, once: bool) -> int:
    """Watch until told to stop, or make one pass; return the exit code."""
    with handled() as signals:
        source = Source(flags, config)
        chosen = source.read()
        logs.configure(chosen.log_format)
        try:
            return _watch(chosen, source, secret, signals, once=once)
        except M2sError as error:
            if chosen.log_format != "json":
                raise
            # Whoever reads the log takes it apart line by line, the last one too.
            _log.critical("%s", error)
            return error.exit_code


def _watch(
    chosen: Settings, source: Source, secret: str | None, signals: Signals, *, once: bool
) -> int:
    _raise_if_unusable(chosen, once=once)
    read_secret = secret_reader(secret, chosen)
    triggers, sight = Triggers(), Sight()

    def leading() -> bool:
        return lease.leading if lease else True

    back = WriteBack(sight.deployments, leading)

    def seen(key: Key, live: LiveDeployment | None) -> None:
        sight.observe(key, live)
        triggers.observe(key, live)
        back.observe(key, live)

    edges = _connect(chosen, None if once else seen)
    lease = _candidate(chosen, edges.cluster, triggers)

    def load(old: Settings) -> tuple[Settings, Edges]:
        new = source.read_again(old)
        connected = _connect(new, seen)
        told.move(_events(new))
        page.move(new, connected)
        back.move(_tagging(new), new.resync)
        return new, connected

    receiver = Receiver(read_secret, lambda: triggers.poke(WEBHOOK)) if read_secret else None
    counted = metrics.Metrics(leading, _deliveries(receiver) if receiver else None)
    told = notices.Notices(_events(chosen))
    page = Page(chosen, edges, sight, leading)
    back.move(_tagging(chosen), chosen.resync)
    loop = Loop(
        chosen,
        edges,
        load=load,
        triggers=triggers,
        leading=leading,
        observers=(logs.PassLog(), counted, told, sight, page, back),
    )
    table = routes(loop, receiver, counted, page)
    with _outside(chosen, table, lease, told, back, once=once):
        _log.info("%s", _heading(chosen, edges))
        run.spare_imports()
        ended = supervise(loop, triggers, source, signals, once=once)
    code = _exit_code(loop.last) if once else 0
    if not ended:
        leave(code)
    return code


@contextmanager
def _outside(
    chosen: Settings,
    table: Mapping[str, WSGIApplication],
    lease: Lease | None,
    told: notices.Notices,
    back: WriteBack,
    *,
    once: bool,
) -> Iterator[None]:
    """Be seen and contend for the Lease; both end with the block, the Lease given back."""
    with ExitStack() as stack:
        stack.callback(told.close, _FLUSH_ONCE if once else _FLUSH)
        stack.callback(back.close, _WRITE_ONCE if once else 0)
        if chosen.listen and not once:
            server = httpd.Httpd(chosen.listen, table)
            stack.callback(server.close)
            server.start()
        if lease:
            stack.callback(lease.release)
            lease.start()
        yield


def routes(
    loop: Loop, receiver: Receiver | None, counted: metrics.Metrics, page: Page
) -> dict[str, WSGIApplication]:
    """Return what is answered under which path."""
    table: dict[str, WSGIApplication] = {
        "/": page.application,
        "/healthz": httpd.probe(loop.stuck),
        "/readyz": httpd.probe(loop.unready),
        "/metrics": counted.application,
    }
    if receiver:
        table["/mlflow"] = receiver
    return table


def _deliveries(receiver: Receiver) -> Callable[[], dict[str, int]]:
    return lambda: {"accepted": receiver.poked, "refused": receiver.refused}


def _heading(chosen: Settings, edges: Edges) -> str:
    selectors = ", ".join(map(str, chosen.selectors))
    where = f"namespace {edges.cluster.namespace} at {edges.cluster.identity}"
    policy = "sync" if chosen.syncs else "upsert-only"
    every = f"every {chosen.interval:g} s, {policy}"
    return f"watching {selectors} of {edges.registry.identity} → {where}, {every}"


def _raise_if_unusable(chosen: Settings, *, once: bool) -> None:
    if not chosen.selectors:
        raise UsageError(f"serve what? give --stage or --alias; {_offers(chosen)}")
    if chosen.leader_elect and chosen.folder:
        raise UsageError("--leader-elect wants a Kubernetes cluster: a folder has no Lease")
    if chosen.leader_elect and once:
        raise UsageError("--once and --leader-elect exclude each other: use `m2s apply`")


def _offers(chosen: Settings) -> str:
    return run.offers(run.connect_registry(chosen))


def _connect(chosen: Settings, seen: Seen | None) -> Edges:
    """Connect to both sides and, where it can be watched, watch the cluster."""
    whole, cluster = run.connect_registry(chosen), run.connect_cluster(chosen)
    templates = run.connect_templates(chosen)
    if seen is None:
        return Edges(whole, cluster, templates=templates)
    registry = whole.incremental(chosen.resync)
    if chosen.folder:
        return Edges(registry, cluster, templates=templates, forget=registry.forget)
    from m2s.cluster.kubernetes import connect
    from m2s.cluster.watching import Watching

    own = connect(chosen.namespace, chosen.kubeconfig, chosen.context, workers=1)
    watching = Watching(own.api, own.namespace, chosen.owners, seen)
    watching.start()
    quiet = Quiet(registry, watching.unbroken, templates)
    return Edges(registry, cluster, watching.stop, templates, registry.forget, quiet)


def _events(chosen: Settings) -> Events | None:
    """Return where Events go, over a connection of their own so that no pass waits for them."""
    if chosen.folder:
        return None
    from m2s.cluster.events import Events
    from m2s.cluster.kubernetes import connect

    return Events(connect(chosen.namespace, chosen.kubeconfig, chosen.context, workers=1).api)


def _tagging(chosen: Settings) -> Tagging | None:
    """Return where MLflow is told what is live, over a connection that no pass waits for."""
    return run.connect_registry(chosen).tagging() if chosen.write_back else None


def _candidate(chosen: Settings, cluster: Cluster, triggers: Triggers) -> Lease | None:
    if not chosen.leader_elect:
        return None
    from m2s.cluster.kubernetes import connect
    from m2s.cluster.lease import Lease, identity

    api = connect(
        chosen.namespace,
        chosen.kubeconfig,
        chosen.context,
        request_timeout=min(chosen.request_timeout, _LEASE_TIMEOUT),
        workers=1,
    ).api
    return Lease(
        api,
        cluster.namespace,
        chosen.lease,
        identity(),
        changed=lambda: triggers.poke(LEADER),
    )


def _exit_code(report: PassReport | None) -> int:
    if report is None:
        return 1
    return {"success": 0, "refused": Refused.exit_code}.get(report.result, 1)
