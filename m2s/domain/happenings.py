"""What was reported of deployments, as Kubernetes Events keep it for an hour or so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

BLOCKED, FAILED, SKIPPED, RESOLVED = "Blocked", "ApplyFailed", "Skipped", "Resolved"
"""Reasons of m2s's own Events."""
STANDING = MappingProxyType(
    {BLOCKED: "blocked", FAILED: "failed", "DeleteFailed": "failed", SKIPPED: "skipped"}
)
"""The reasons that say that something stands in the way, and the word for it."""
REASONS = (
    "Applied", "Promoted", "RolledBack", "VersionChanged", "DriftCorrected", "Deleted",
    BLOCKED, FAILED, "DeleteFailed", SKIPPED, RESOLVED,
    "Verified", "RolledOut", "NotServing", "TakenBack",
)  # fmt: skip
"""All that m2s reports of a deployment, orders apart."""
_ENDS = frozenset(
    {RESOLVED, "Applied", "Promoted", "RolledBack", "VersionChanged", "Unpinned", "Deleted"}
)
_OURS = "m2s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An Event about the object ``name``, from whichever ``source``.

    ``first`` and ``last`` say when it was reported (RFC 3339), ``count`` how often. ``owner``,
    ``model`` and ``version`` are what m2s notes on its own Events, else "".
    """

    name: str
    reason: str
    message: str
    warning: bool = False
    source: str = ""
    first: str = ""
    last: str = ""
    count: int = 1
    owner: str = ""
    model: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a version is not live: ``state`` is ``blocked``, ``failed`` or ``skipped``."""

    state: str
    told: Happening

    def __str__(self) -> str:
        version = f"v{self.told.version} " if self.told.version else ""
        return f"{version}{self.state}: {self.told.message}"


def troubles(happenings: Iterable[Happening]) -> dict[str, Trouble]:
    """Return what stands in the way by the last word of m2s, by the name of the object."""
    latest: dict[str, Happening] = {}
    ours = (one for one in happenings if one.source == _OURS)
    # Within one second, which is all that an Event's time tells, the end counts.
    for one in sorted(ours, key=lambda one: (one.last, one.reason in _ENDS)):
        if one.reason in STANDING or one.reason in _ENDS:
            latest[one.name] = one
    return {
        name: Trouble(STANDING[one.reason], one)
        for name, one in latest.items()
        if one.reason in STANDING
    }
