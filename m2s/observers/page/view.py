"""Pure: what the page tells, as plain text; the template only lays it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import quote

from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.domain.versions import Served
from m2s.engine import status
from m2s.engine.outcomes import Status
from m2s.observers.page.asked import Asked
from m2s.observers.page.rows import Line, PageRow, Planned, row
from m2s.settings.groups import Settings
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport

ON_A_PAGE = 200
"""Deployments that are served, blocked or changed, on one page."""
_ACTS = (Status.CREATED, Status.UPDATED, Status.DELETED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Passes:
    """The last pass of all, the last that could read both sides, and the last that did anything.

    ``succeeded`` is when one last was all well.
    """

    last: PassReport | None = None
    read: PassReport | None = None
    acted: PassReport | None = None
    succeeded: datetime | None = None

    def after(self, report: PassReport) -> Passes:
        """Return these with one pass more."""
        acts = any(one.status in _ACTS for one in report.news)
        return Passes(
            report,
            report if report.plan else self.read,
            report if acts else self.acted,
            _end(report) if report.result == "success" else self.succeeded,
        )


@dataclass(frozen=True)
class Moment:
    """Everything there is to tell at one moment; ``now`` is in UTC."""

    settings: Settings
    edges: Edges
    leads: bool
    passes: Passes
    deployments: tuple[LiveDeployment, ...]
    now: datetime
    asked: Asked

    @property
    def selectors(self) -> str:
        """Which versions are to be served."""
        return ", ".join(map(str, self.settings.selectors))

    @property
    def heading(self) -> str:
        """What is watched, and where to."""
        cluster = self.edges.cluster
        where = f"namespace {cluster.namespace} at {cluster.identity}"
        return f"{self.selectors} of {self.edges.registry.identity} → {where}"

    @property
    def verdict(self) -> str:
        """The one word: ``standby``, ``starting``, or the last pass's result."""
        if not self.leads:
            return "standby"
        return self.passes.last.result if self.passes.last else "starting"

    @property
    def message(self) -> str:
        """What is in the way, "" where nothing is."""
        if not self.leads:
            lease = f"lease {self.settings.lease} in namespace {self.edges.cluster.namespace}"
            return (
                f"This replica stands by: {lease} names another one, which writes. "
                "The plan, and what is blocked, is on that one's page."
            )
        if self.passes.last is None:
            return "The first pass is not done yet: what is wanted is unknown so far."
        return self.passes.last.message

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """How it is watched, and when it last was looked at."""
        last, well = self.passes.last, self.passes.succeeded
        if last and self.leads:
            took = f"took {last.seconds:.2f} s, set off by {last.trigger}"
            yield "Last pass", f"{self.when(_end(last))}: {last.result}, {took}"
            yield "Last success", self.when(well) if well else "none yet"
        yield "Policy", _policy(self.settings)
        yield "Interval", f"{self.settings.interval:g} s"
        if self.settings.models:
            yield "Models", ", ".join(self.settings.models)
        if self.settings.leader_elect:
            yield "Replica", "leads" if self.leads else "stands by"

    @cached_property
    def plan(self) -> Planned | None:
        """What the last pass that could read both sides found; only a leader's is to be trusted."""
        return self._planned(self.passes.read)

    @property
    def acted(self) -> Planned | None:
        """What was last done, where that is not of the plan that is shown as a whole."""
        acted, shown = self._planned(self.passes.acted), self.plan
        return None if acted and shown and acted.plan is shown.plan else acted

    def _planned(self, report: PassReport | None) -> Planned | None:
        if report is None or report.plan is None or not self.leads:
            return None
        return Planned(report.plan, report.outcomes, self.when(_end(report)))

    @property
    def outdated(self) -> str:
        """From when what is shown is, where the last pass could not read both sides."""
        last, read = self.passes.last, self.passes.read
        return self.when(_end(read)) if read and last is not read and self.leads else ""

    @cached_property
    def served(self) -> tuple[PageRow, ...]:
        """What is served, and first what does not do well."""
        scope = Scope(self.settings.owners, self.settings.models)
        here = self.edges.cluster.namespace
        mine = [
            status.serving_of(live)
            for live in self.deployments
            if live.key.namespace == here and scope.includes(live)
        ]
        return tuple(map(row, sorted(mine, key=lambda one: (status.urgency(one.state), one.key))))

    @cached_property
    def found(self) -> tuple[PageRow, ...]:
        """What of it is looked for."""
        return tuple(filter(self.asked.finds, self.served))

    @property
    def pages(self) -> int:
        """How many pages that is, at least one."""
        return max(1, -(-len(self.found) // ON_A_PAGE))

    @property
    def page(self) -> int:
        """The number of the page that is shown, from 1."""
        return min(self.asked.page, self.pages)

    @property
    def shown(self) -> tuple[PageRow, ...]:
        """What is on that page."""
        begin = (self.page - 1) * ON_A_PAGE
        return self.found[begin : begin + ON_A_PAGE]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The states that there are, as words of the style sheet."""
        return tuple(dict.fromkeys(row.kind for row in self.served))

    @property
    def named(self) -> tuple[PageRow, ...]:
        """The deployments of the one name that is asked for, one of each platform."""
        return tuple(row for row in self.served if row.one.key.name == self.asked.deployment)

    @property
    def planned(self) -> list[Line]:
        """The last plan's changes of that name."""
        return self.plan.of(self.asked.deployment) if self.plan else []

    @cached_property
    def blocked(self) -> list[Line]:
        """What of the last plan is blocked or failed, and looked for."""
        lines = self.plan.blocked if self.plan else []
        return [line for line in lines if self.asked.is_in(*line.title, line.version)]

    def link(self, one: Served) -> str:
        """Return where MLflow's own page of a version is, "" where it has none."""
        return self._in_mlflow("models", one.model, "versions", one.version)

    @property
    def runs(self) -> dict[str, str]:
        """The runs that the versions in the last plan of that name are of, and MLflow's pages."""
        runs = (run for line in self.planned for run in line.runs)
        return {run: self._in_mlflow("runs", run) for run in runs}

    def _in_mlflow(self, *path: str) -> str:
        server = self.edges.registry.identity
        if not server.startswith(("http://", "https://")):
            return ""
        return "/".join([server.rstrip("/"), "#", *(quote(part, safe="") for part in path)])

    @property
    def count(self) -> str:
        """How much is served, and how it does."""
        if self.served:
            return status.summary(row.one for row in self.served)
        known = self.leads and self.passes.read
        return "Nothing is served." if known else "Nothing was seen yet."

    def when(self, moment: datetime) -> str:
        """Return a time with its age."""
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({_age(self.now - moment)} ago)"


def _policy(settings: Settings) -> str:
    if not settings.syncs:
        return "upsert-only: nothing is deleted"
    passes = settings.prune_after
    found = f"{passes} passes in a row find" if passes > 1 else "a pass finds"
    return f"sync: a deployment is deleted if {found} it unwanted"


def _end(report: PassReport) -> datetime:
    return report.started + timedelta(seconds=report.seconds)


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
