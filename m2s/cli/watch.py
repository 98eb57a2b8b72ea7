"""``m2s watch``: wires edges, triggers, leadership and probes to the loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from m2s.base.errors import M2sError, UsageError, told
from m2s.cli import connect, planning
from m2s.cli.environments import by_environment, gravest, raise_unless_one_process
from m2s.cli.parts import Common, Parts
from m2s.cli.reload import SettingsSource
from m2s.cli.routes import routes
from m2s.cli.supervise import Signals, handled, leave, supervise
from m2s.cli.webhook_secret import secret_reader
from m2s.observers import logs
from m2s.settings.groups import Settings
from m2s.sources.mlflow.sharing import Shared
from m2s.watch import http_server
from m2s.watch.passes import Edges
from m2s.watch.triggers import WEBHOOK
from m2s.watch.webhook import Receiver

_log = logging.getLogger("m2s.watch")


def watch(flags: Mapping[str, Any], config: str | None, secret: str | None, *, once: bool) -> int:
    """Watch until told to stop, or make one pass; return the exit code."""
    with handled() as signals:
        each = {name: SettingsSource(one, config) for name, one in by_environment(flags).items()}
        chosen = {name: source.read() for name, source in each.items()}
        raise_unless_one_process(chosen)
        log_format = next(iter(chosen.values())).log_format
        logs.configure(log_format)
        try:
            return _watch(chosen, each, secret, signals, once=once)
        except M2sError as error:
            if log_format != "json":
                raise
            # Whoever reads the log takes it apart line by line, the last one too.
            _log.critical("%s", told(error))
            return error.exit_code


def _watch(
    chosen: Mapping[str, Settings],
    sources: Mapping[str, SettingsSource],
    secret: str | None,
    signals: Signals,
    *,
    once: bool,
) -> int:
    with ExitStack() as stack:
        parts = _wired(chosen, sources, secret, once=once)
        first = next(iter(chosen.values()))
        if first.listen and not once:
            server = http_server.Httpd(first.listen, routes(parts))
            stack.callback(server.close)
            server.start()
        for name, part in parts.items():
            with _within(name):
                stack.enter_context(part.outside(once=once))
                _log.info("%s", _heading(chosen[name], part.edges))
        planning.spare_imports()
        ended = supervise([*parts.values()], signals, once=once)
        codes = [part.code(lambda: not signals.empty()) for part in parts.values() if once]
    code = gravest(codes)
    if not ended:
        leave(code)
    return code


def _wired(
    chosen: Mapping[str, Settings],
    sources: Mapping[str, SettingsSource],
    secret: str | None,
    *,
    once: bool,
) -> dict[str, Parts]:
    """Return what is served of each environment; they share a webhook and the registry's lists."""
    parts: dict[str, Parts] = {}
    interval = min(each.interval for each in chosen.values())
    shared = Shared(interval / 2) if len(chosen) > 1 else None

    def poked() -> None:
        if shared:
            shared.forget()
        for part in parts.values():
            part.triggers.poke(WEBHOOK)

    for each in chosen.values():
        _raise_if_unusable(each, once=once)
    read_secret = secret_reader(secret, next(iter(chosen.values())))
    receiver = Receiver(read_secret, poked) if read_secret else None
    for name, each in chosen.items():
        with _within(name):
            common = Common(name, sources[name], receiver, shared)
            parts[name] = Parts(each, common, once=once)
    return parts


@contextmanager
def _within(environment: str) -> Iterator[None]:
    """Have all lines, and those of threads that are made here, name the environment."""
    token = logs.ENVIRONMENT.set(environment)
    try:
        yield
    finally:
        logs.ENVIRONMENT.reset(token)


def _heading(chosen: Settings, edges: Edges) -> str:
    selectors = ", ".join(map(str, chosen.selectors))
    where = f"namespace {edges.cluster.namespace} at {edges.cluster.identity}"
    policy = "sync" if chosen.syncs else "upsert-only"
    every = f"every {chosen.interval:g} s, {policy}"
    return f"watching {selectors} of {edges.registry.identity} → {where}, {every}"


def _raise_if_unusable(chosen: Settings, *, once: bool) -> None:
    if not chosen.selectors:
        there = planning.there_is(connect.registry(chosen).offers())
        raise UsageError(f"no selector: give --stage or --alias; {there}")
    connect.check_follows(chosen)
    if chosen.leader_elect and chosen.folder:
        raise UsageError("--leader-elect wants a Kubernetes cluster: a folder has no Lease")
    if chosen.leader_elect and once:
        raise UsageError("--once and --leader-elect exclude each other: use `m2s apply`")
