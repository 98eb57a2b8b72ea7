"""What ``m2s watch`` counts, in Prometheus's text format or OpenMetrics: ``/metrics``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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
from m2s.domain.deployments import LiveDeployment
from m2s.domain.serving import Serving
from m2s.domain.verification import RESULTS
from m2s.engine import skips
from m2s.engine.outcomes import NOT_ATTEMPTED, Status
from m2s.engine.proving import Proof
from m2s.engine.status import serving_of
from m2s.plan.changes import Action, Blocked, Create, Delete, Update
from m2s.plan.plan import models_of
from m2s.watch.report import PassReport, Result

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CHANGES = (Create, Update, Delete)

STATES = (
    "available", "creating", "unavailable", "unknown",
    "blocked", "failed", "skipped", "paused", "pinned", "deleting",
)  # fmt: skip
"""The states of ``m2s_deployment_state``: the platform's word, and what holds besides."""
_WORDS = {"available": "available", "creating": "creating", "failed": "unavailable"}

_WHOLE = ("process_", "m2s_webhook")
"""What names of metrics of the whole process begin with."""

Served = tuple[str, str, str, str]
"""Model, version, selector and deployment: the labels of ``m2s_served_model_info``."""


class Metrics:
    """An observer that counts passes, and the application that shows the counts.

    ``leading`` says whether this process may write now, ``deliveries`` how many webhook requests
    came, by result; None without a webhook. ``seen`` are our deployments as they were last seen.
    ``messages`` counts what webhooks of ours were told, by result; empty where there are none.
    """

    def __init__(
        self,
        leading: Callable[[], bool],
        deliveries: Callable[[], Mapping[str, int]] | None = None,
        seen: Callable[[], Iterable[LiveDeployment]] = tuple,
        messages: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
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
        self._found = Counter(
            "m2s_verifications",
            "Deployments that were followed until they served or failed, by result.",
            ["result"],
            registry=registry,
        )
        for result in RESULTS:
            self._found.labels(result)
        self._state = _State(leading, deliveries, seen, messages)
        registry.register(self._state)
        ProcessCollector(registry=registry)
        for result in get_args(Result):
            self._passes.labels(result)  # so that a first error is an increase
        self.application: WSGIApplication = make_wsgi_app(registry)

    def __call__(self, report: PassReport) -> None:
        """Count one pass."""
        self._passes.labels("success" if report.complete else report.result).inc()
        self._seconds.observe(report.seconds)
        for outcome in report.news:
            begun = not outcome.message.startswith(NOT_ATTEMPTED)
            if isinstance(outcome.change, _CHANGES) and begun:
                word = outcome.change.action.word
                self._changes.labels(word, outcome.status.value).inc()
        self._state.note(report)

    def proven(self, proof: Proof) -> None:
        """Count what was found of a deployment that was followed."""
        self._found.labels(proof.found.result).inc()


class Together(Collector):
    """The metrics of several environments as one application, with the label ``environment``.

    Those of the whole process are told once, without it.
    """

    def __init__(self, each: Mapping[str, Metrics]) -> None:
        self._each, registry = each, CollectorRegistry()
        registry.register(self)
        self.application: WSGIApplication = make_wsgi_app(registry)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with the samples of all environments."""
        found: dict[str, Metric] = {}
        for name, counted in self._each.items():
            for one in counted.registry.collect():
                if one.name.startswith(_WHOLE):
                    found.setdefault(one.name, one)
                    continue
                whole = found.setdefault(
                    one.name, Metric(one.name, one.documentation, one.type, one.unit)
                )
                whole.samples += [
                    each._replace(labels={"environment": name, **each.labels})
                    for each in one.samples
                ]
        yield from found.values()


class _State(Collector):
    """What is so now: one value after each pass, so that a scrape never sees half of it."""

    def __init__(
        self,
        leading: Callable[[], bool],
        deliveries: Callable[[], Mapping[str, int]] | None,
        seen: Callable[[], Iterable[LiveDeployment]],
        messages: Mapping[str, int],
    ) -> None:
        self._messages = messages
        self._leading, self._deliveries, self._seen = leading, deliveries, seen
        self._succeeded: float | None = None
        self._begun: float | None = None
        self._read: _Read | None = None

    def note(self, report: PassReport) -> None:
        if report.complete:
            self._begun = report.started.timestamp()
            self._succeeded = self._begun + report.seconds
        if report.plan and not report.repeats:
            self._read = _Read.of(report)

    def collect(self) -> Iterator[Metric]:
        """Yield what is known; of what is served only a leader knows."""
        leads = self._leading()
        yield GaugeMetricFamily(
            "m2s_leader", "Whether this replica may write; 1 where there is no election.", leads
        )
        if self._succeeded is not None:
            yield GaugeMetricFamily(
                "m2s_last_success_timestamp_seconds",
                "Unix time of the last pass that read both sides and wrote all that it could.",
                self._succeeded,
            )
        if self._begun is not None:
            yield GaugeMetricFamily(
                "m2s_staleness_seconds",
                "Seconds since the last such pass began: a change may be unseen for so long.",
                max(0.0, time.time() - self._begun),
            )
        if self._read and leads:
            yield from _counts(self._read)
            yield _info(self._read.served)
            yield _states(self._read, self._seen())
        if self._deliveries:
            came = CounterMetricFamily(
                "m2s_webhook_requests", "Deliveries to /mlflow, by result.", labels=["result"]
            )
            for result, count in self._deliveries().items():
                came.add_metric([result], count)
            yield came
        if self._messages:
            told = CounterMetricFamily(
                "m2s_notifications", "Messages to webhooks, by what became of them.",
                labels=["result"],
            )  # fmt: skip
            for result, count in sorted(self._messages.items()):
                told.add_metric([result], count)
            yield told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a pass found that could read both sides; ``bad`` are deployment, model and state."""

    blocked: int
    failed: int
    skipped: int
    served: tuple[Served, ...]
    owners: frozenset[str]
    bad: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, report: PassReport) -> _Read:
        if report.plan is None:
            raise AssertionError("both sides were read")
        failed = [one for one in report.outcomes if one.status is Status.FAILED]
        rows = [
            *(("blocked", each) for each in report.plan.changes if isinstance(each, Blocked)),
            *(("failed", one.change) for one in failed),
        ]
        bad = {(each.key.name, models_of(each)[0], word) for word, each in rows}
        skipped = {(key.name, item.version.model, "skipped") for key, item in skips.of(report.plan)}
        return cls(
            blocked=report.plan.count(Action.BLOCKED),
            failed=len(failed),
            skipped=len(report.plan.skipped),
            served=served(report),
            owners=report.plan.scope.owners,
            bad=frozenset(bad | skipped),
        )


def _counts(read: _Read) -> Iterator[Metric]:
    what = "in the last pass that read both sides."
    for name, about, count in (
        ("m2s_blocked_deployments", "Blocked deployments", read.blocked),
        ("m2s_failed_deployments", "Deployments whose change failed", read.failed),
        ("m2s_skipped_versions", "Versions that are selected and not served", read.skipped),
    ):
        yield GaugeMetricFamily(name, f"{about} {what}", count)


def _states(read: _Read, seen: Iterable[LiveDeployment]) -> Metric:
    """Return each state that a deployment is in: one of ``STATES`` each, so that it is bounded."""
    family = GaugeMetricFamily(
        "m2s_deployment_state",
        f"Whether a deployment is in a state ({', '.join(STATES)}); always 1.",
        labels=["deployment", "model", "state"],
    )
    found = set(read.bad)
    for live in seen:
        if live.owner in read.owners:
            one = serving_of(live)
            model = one.served[0].model if one.served else ""
            found |= {(one.key.name, model, state) for state in _states_of(one)}
    for labels in sorted(found):
        family.add_metric(labels, 1)
    return family


def _states_of(one: Serving) -> Iterator[str]:
    word = one.state.lower()
    yield _WORDS.get(word, "unknown")
    orders = {"paused": one.paused, "pinned": bool(one.pin), "deleting": bool(one.deleting)}
    yield from (state for state, so in orders.items() if so)


def _info(deployments: Iterable[Served]) -> Metric:
    info = GaugeMetricFamily(
        "m2s_served_model_info",
        "Which version of a model a deployment serves; always 1.",
        labels=["model", "version", "selector", "deployment"],
    )
    for one in deployments:
        info.add_metric(one, 1)
    return info


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
