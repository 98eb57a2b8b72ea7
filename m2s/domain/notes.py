"""What people ordered for a deployment, who they were and why: an annotation keeps the last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from m2s.base.labels import ORDERS
from m2s.base.wording import minute, one_line
from m2s.domain.deployments import LiveDeployment

LENGTH = 10
"""How many are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An order: ``what`` as ``paused``, ``at`` in RFC 3339, ``by`` "" where nobody knows."""

    what: str
    at: str = ""
    by: str = ""
    message: str = ""

    def __str__(self) -> str:
        """``paused by alice at 2026-11-21 12:03 UTC: too slow``."""
        return self._told(f" at {minute(self.at)}" if minute(self.at) else "")

    @property
    def short(self) -> str:
        """``paused by alice: too slow``."""
        return self._told("")

    def _told(self, when: str) -> str:
        who = f" by {self.by}" if self.by else ""
        return f"{self.what}{who}{when}" + (f": {self.message}" if self.message else "")


def notes(live: LiveDeployment) -> tuple[Note, ...]:
    """Return what was ordered, the newest first; () for what anybody else made of it."""
    try:
        items = json.loads(live.annotations.get(ORDERS, "[]"))
        found = tuple(
            Note(**{name: str(each.get(name, "")) for name in ("what", "at", "by", "message")})
            for each in items
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    return found


def noted(live: LiveDeployment | None, note: Note) -> dict[str, str]:
    """Return the annotation that tells ``note`` before those of ``live``; it has no secret."""
    told = Note(what=note.what, at=note.at, by=one_line(note.by), message=one_line(note.message))
    kept = [told, *(notes(live) if live else ())][:LENGTH]
    items = [{name: value for name, value in asdict(one).items() if value} for one in kept]
    return {ORDERS: json.dumps(items, separators=(",", ":"), ensure_ascii=False)}
