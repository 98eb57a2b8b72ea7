"""What ``m2s watch`` counts, in Prometheus's text format or OpenMetrics: ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from m2s.base.labels import SELECTOR
from m2s.engine.execute import NOT_ATTEMPTED
from m2s.plan.changes import Action, Create, Delete, Update
from m2s.watch.report import PassReport, Result

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CHANGES = (Create, Update, Delete)

Served = tuple[str, str, str, str]
"""Model, version, selector and deployment: the labels of ``m2s_served_model_info``."""


class Metrics:
    """An observer that counts passes, and the application that shows the counts.

    ``leading`` says whether this process may write now, ``deliveries`` how many webhook requests
    came, by result; None without a webhook.
    """

    def __init__(
        self,
        leading: Callable[[], bool],
        deliveries: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._passes = Counter("m2s_reconcile", "Passes, by result.", ["result"], registry=registry)
        self._seconds = Histogram(
            "m2s_reconcile_duration_seconds",
            "How long a pass took.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._changes = Counter(
            "m2s_changes",
            "Creations, updates and deletions that were carried out or failed.",
            ["action", "status"],
            registry=registry,
        )
        self._state = _State(leading, deliveries)
        registry.register(self._state)
        ProcessCollector(registry=registry)
        for result in get_args(Result):
            self._passes.labels(result)  # so that a first error is an increase
        self.application: WSGIApplication = make_wsgi_app(registry)

    def __call__(self, report: PassReport) -> None:
        """Count one pass."""
        self._passes.labels(report.result).inc()
        self._seconds.observe(report.seconds)
        for outcome in report.news:
            begun = not outcome.message.startswith(NOT_ATTEMPTED)
            if isinstance(outcome.change, _CHANGES) and begun:
                word = outcome.change.action.word
                self._changes.labels(word, outcome.status.value).inc()
        self._state.note(report)


class _State(Collector):
    """What is so now: one value after each pass, so that a scrape never sees half of it."""

    def __init__(
        self, leading: Callable[[], bool], deliveries: Callable[[], Mapping[str, int]] | None
    ) -> None:
        self._leading, self._deliveries = leading, deliveries
        self._succeeded: float | None = None
        self._read: tuple[int, tuple[Served, ...]] | None = None

    def note(self, report: PassReport) -> None:
        if report.result == "success":
            self._succeeded = report.started.timestamp() + report.seconds
        if report.plan and not report.repeats:
            blocked = report.plan.count(Action.BLOCKED)
            self._read = blocked, served(report)

    def collect(self) -> Iterator[Metric]:
        """Yield what is known; of what is served only a leader knows."""
        leads = self._leading()
        yield GaugeMetricFamily(
            "m2s_leader", "Whether this replica may write; 1 where there is no election.", leads
        )
        if self._succeeded is not None:
            yield GaugeMetricFamily(
                "m2s_last_success_timestamp_seconds",
                "Unix time at which the last pass without an error ended.",
                self._succeeded,
            )
        if self._read and leads:
            yield from _deployments(*self._read)
        if self._deliveries:
            came = CounterMetricFamily(
                "m2s_webhook_requests", "Deliveries to /mlflow, by result.", labels=["result"]
            )
            for result, count in self._deliveries().items():
                came.add_metric([result], count)
            yield came


def _deployments(blocked: int, deployments: tuple[Served, ...]) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "m2s_blocked_deployments", "Blocked deployments in the last complete pass.", blocked
    )
    info = GaugeMetricFamily(
        "m2s_served_model_info",
        "Which version of a model a deployment serves; always 1.",
        labels=["model", "version", "selector", "deployment"],
    )
    for one in deployments:
        info.add_metric(one, 1)
    yield info


def served(report: PassReport) -> tuple[Served, ...]:
    """Return what our deployments serve after a pass that could read both sides."""
    owners = report.plan.scope.owners if report.plan else ()
    lines = {
        (one.model, one.version, live.annotations.get(SELECTOR, ""), live.key.name)
        for live in report.left().values()
        if live.owner in owners
        for one in live.served
    }
    return tuple(sorted(lines))
