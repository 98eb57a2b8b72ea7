"""Pure: the rows of the page's tables, as plain text; the words are those of the plan's table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from m2s.base.wording import minute
from m2s.domain import serving
from m2s.engine import status
from m2s.engine.outcomes import Outcome, Status
from m2s.output import changes_view, words
from m2s.plan.changes import Blocked, Change, Create, Delete, Update
from m2s.plan.plan import Plan, served_of, summary


@dataclass(frozen=True, slots=True)
class PageRow:
    """One deployment.

    ``title`` is its name and, where that does not tell them, its models; ``version`` as the plan's
    table has it; ``versions`` every one of several, else ""; ``kind`` its state as a class of the
    style sheet; ``badges`` what somebody ordered for it; ``since`` to the minute; ``answers`` what
    was found when it, and what gave way to it, was asked.
    """

    one: serving.Serving
    title: list[str]
    version: str
    versions: str
    kind: str
    badges: list[str]
    since: str
    answers: list[str]


def row(one: serving.Serving) -> PageRow:
    """Return the row of one deployment."""
    pin = status.pin(one)
    orders = {f"pinned to {pin}": pin, "paused": one.paused, "being deleted": one.deleting}
    return PageRow(
        one,
        title=words.title(one.key.name, one.served).splitlines(),
        version=words.versions(one.served),
        versions=status.told(one.served) if len(one.served) > 1 else "",
        kind=one.state.lower() if one.state in serving.STATES else "unknown",
        badges=[text for text, so in orders.items() if so],
        since=minute(one.since),
        answers=[str(one.verified)] * bool(one.verified) + [*map(str, one.failed)],
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the plan, and what carrying it out came to."""

    change: Change
    outcome: Outcome | None
    listed: Sequence[str] = ()

    @property
    def title(self) -> list[str]:
        """As :attr:`PageRow.title`."""
        return words.title(self.change.key.name, served_of(self.change)).splitlines()

    @property
    def version(self) -> str:
        """As the plan's table has it."""
        return words.version(self.change)

    @property
    def details(self) -> list[str]:
        """What stands below it in the plan's table."""
        return changes_view.details(self.change, self.listed)

    @property
    def status(self) -> str:
        """What it came to, "" where there was nothing to do."""
        if self.outcome is None:
            return "not done" if isinstance(self.change, Create | Update | Delete) else ""
        quiet = self.outcome.status in (Status.UNCHANGED, Status.BLOCKED)
        return "" if quiet else self.outcome.status.value

    @property
    def message(self) -> str:
        """Why it came to that."""
        return self.outcome.message if self.outcome and self.status else ""

    @property
    def runs(self) -> list[str]:
        """MLflow's runs that the planned versions are of."""
        manifest = None if isinstance(self.change, Delete) else self.change.manifest
        return [one.run_id for one in manifest.models if one.run_id] if manifest else []

    @property
    def failed(self) -> bool:
        """Whether carrying it out did not come to what was planned."""
        return bool(self.status and self.outcome and not self.outcome.ok)

    @property
    def trouble(self) -> str:
        """Why the change is blocked or failed; "" if it is neither."""
        if isinstance(self.change, Blocked):
            return self.change.reason
        return self.message if self.failed else ""

    @property
    def kept(self) -> list[str]:
        """What keeps serving while the change is blocked; else empty."""
        return self.details if isinstance(self.change, Blocked) else []


@dataclass(frozen=True)
class Planned:
    """A plan that was carried out, and when that was."""

    plan: Plan
    outcomes: Sequence[Outcome]
    when: str

    @property
    def summary(self) -> str:
        """The count line."""
        return summary(self.plan)

    @cached_property
    def lines(self) -> list[Line]:
        """The changes that are listed one by one."""
        return self._lines(words.noteworthy(self.plan.changes))

    @property
    def uncounted(self) -> int:
        """How many unchanged deployments ``lines`` leaves out."""
        return len(self.plan.changes) - len(self.lines)

    @cached_property
    def blocked(self) -> list[Line]:
        """The changes that are blocked or failed."""
        return [line for line in self._lines(self.plan.changes) if line.trouble]

    def of(self, name: str) -> list[Line]:
        """The changes of one deployment."""
        return self._lines(one for one in self.plan.changes if one.key.name == name)

    @property
    def skipped(self) -> list[str]:
        """The versions that do not ask to be served, as many as the table lists."""
        listed = self.plan.skipped[: words.MAX_QUIET]
        return [f"{item.version} ({item.selector}): {item.reason}" for item in listed]

    @property
    def more_skipped(self) -> int:
        """How many more there are."""
        return max(0, len(self.plan.skipped) - words.MAX_QUIET)

    @property
    def done(self) -> list[Line]:
        """The changes that came to anything."""
        return [line for line in self._lines(self.plan.changes) if line.status]

    @property
    def told(self) -> bool:
        """Whether anything is to be said of how it went."""
        return any(line.status for line in self.lines)

    @cached_property
    def _outcomes(self) -> dict[int, Outcome]:
        return {id(outcome.change): outcome for outcome in self.outcomes}

    def _lines(self, changes: Iterable[Change]) -> list[Line]:
        return [
            Line(change, self._outcomes.get(id(change)), self.plan.show_env) for change in changes
        ]
