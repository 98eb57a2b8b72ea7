"""Log lines, for people or for machines: one for each change, none for a pass without any."""

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from m2s.base import mask, printable, trace, waiting
from m2s.domain.notes import Note, notes
from m2s.domain.versions import Key
from m2s.engine import skips
from m2s.engine.outcomes import NOT_ATTEMPTED, Outcome, Status
from m2s.output.document import not_checked
from m2s.plan.plan import models_of
from m2s.watch.report import PassReport

_log = logging.getLogger("m2s.pass")

ENVIRONMENT = ContextVar("environment", default="")
"""Which of several environments a thread works in; its lines name it."""
_EXTRA = "m2s"
_QUIET = (Status.UNCHANGED,)
_LEVELS = {
    Status.FAILED: logging.ERROR,
    Status.BLOCKED: logging.WARNING,
    Status.HELD: logging.WARNING,
}


def configure(form: str) -> None:
    """Send every log line of this process to stderr, as ``console`` or ``json``.

    m2s's own from INFO on, the libraries' and Python's warnings from WARNING on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("m2s").setLevel(logging.INFO)
    traced = logging.getLogger("m2s.trace")
    traced.setLevel(logging.DEBUG)
    trace.begin(trace.level(), traced.debug)
    logging.captureWarnings(True)
    waiting.say(logging.getLogger("m2s.waiting").info)


class JsonFormatter(logging.Formatter):
    """One JSON object to a line: time (RFC 3339, UTC), level, message, and what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without any secret (law 7)."""
        values = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(self, record),
            **({"environment": ENVIRONMENT.get()} if ENVIRONMENT.get() else {}),
            **getattr(record, _EXTRA, {}),
        }
        return printable.json_text(mask.value(values))


class ConsoleFormatter(logging.Formatter):
    """``TIME LEVEL MESSAGE``, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without any secret (law 7); a bug's traceback has more."""
        message = printable.lines(mask.hidden(_message(self, record)))
        where = ENVIRONMENT.get() and f"[{ENVIRONMENT.get()}] "
        return f"{_time(record)} {record.levelname:<7} {where}{message}"


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        return f"{text}\n{formatter.formatException(record.exc_info)}"
    return " ".join(text.split())


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class PassLog:
    """An observer that writes each pass's lines: what changed, what is in the way, what ended.

    What stays in the way is said once, not in every pass; so is what preflight cannot look at.
    """

    def __init__(self) -> None:
        self._standing: set[tuple[Key, str]] = set()
        self._told: set[str] = set()
        self._notes: tuple[str, ...] = ()
        self._skipped: set[str] = set()
        self._orders: dict[Key, tuple[Note, ...]] | None = None

    def __call__(self, report: PassReport) -> None:
        """Log one pass."""
        standing = set() if report.plan else self._standing
        unbegun = 0
        for outcome in report.news:
            if outcome.message.startswith(NOT_ATTEMPTED):
                unbegun += 1
            elif outcome.status not in _QUIET:
                self._tell(outcome, report.trigger, standing)
        self._standing = standing
        self._skip(report)
        self._order(report)
        if unbegun:
            _log.warning("%d changes were not attempted", unbegun)
        notes = not_checked(report.plan) if report.plan else self._notes
        for note in notes:
            if note not in self._notes:
                _log.warning("%s", note)
        self._notes = notes
        self._conclude(report)

    def _order(self, report: PassReport) -> None:
        """Say who ordered what since the last pass."""
        if report.plan is None or report.repeats:
            return
        left = report.left().items()
        orders = {key: notes(live) for key, live in left if live.owner in report.plan.scope.owners}
        known = orders if self._orders is None else self._orders
        for key, told in orders.items():
            for note in reversed([each for each in told if each not in known.get(key, ())]):
                about = {"deployment": key.name, "namespace": key.namespace, "by": note.by}
                _log.info("%s: %s", key.name, note.short, extra={_EXTRA: about})
        self._orders = orders

    def _skip(self, report: PassReport) -> None:
        """Say once of each skipped version that it is, and why."""
        if report.plan is None or report.repeats:
            return
        skipped = dict[str, dict[str, Any]]()
        for key, item in skips.of(report.plan):
            about = {"model": item.version.model, "version": str(item.version.version)}
            about |= {"deployment": key.name, "namespace": key.namespace}
            skipped[skips.told(item)] = {**about, "status": "skipped", "reason": item.reason}
        for line, fields in skipped.items():
            if line not in self._skipped:
                extra = {_EXTRA: {**fields, "trigger": report.trigger}}
                _log.warning("skipped %s", line, extra=extra)
        self._skipped = set(skipped)

    def _tell(self, outcome: Outcome, trigger: str, standing: set[tuple[Key, str]]) -> None:
        key, told = outcome.change.key, f"{outcome.status.value}: {outcome.message}"
        level = _LEVELS.get(outcome.status, logging.INFO)
        if level > logging.INFO:
            standing.add((key, told))
            if (key, told) in self._standing:
                return
        reason = outcome.message or outcome.change.reason
        fields = _fields(outcome, trigger, reason)
        text = f"{outcome.status.value} {key.name}: {reason}"
        _log.log(level, "%s", text, extra={_EXTRA: fields})

    def _conclude(self, report: PassReport) -> None:
        """Say when passes start to go wrong in a way no line above tells, and when that ends."""
        about = {"trigger": report.trigger, "result": report.result}
        trouble = report.message if report.result in ("error", "refused") else ""
        if trouble and trouble not in self._told:
            # Which of several requests meets an outage first differs from pass to pass.
            self._told.add(trouble)
            _log.error("%s", trouble, extra={_EXTRA: about})
        elif self._told and not trouble:
            self._told.clear()
            _log.info("all can be read and done again", extra={_EXTRA: about})


def _fields(outcome: Outcome, trigger: str, reason: str) -> dict[str, Any]:
    change = outcome.change
    model, version = models_of(change)
    return {
        "deployment": change.key.name,
        "namespace": change.key.namespace,
        "model": model,
        "version": version,
        "action": change.action.word,
        "status": outcome.status.value,
        "reason": reason,
        "trigger": trigger,
    }
