"""Pure: what became of a version after it was written: does it serve, and does it answer?

Two annotations keep it. ``m2s.io/verified`` has what was found of each description, the newest
first; ``m2s.io/failed`` has those that gave way to what served before and are not tried again.
Both are written beside what m2s applies, and are never compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from m2s.base.labels import FAILED, VERIFIED
from m2s.base.wording import minute, one_line
from m2s.domain import history
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest

RESULTS = ("verified", "unverified", "failed")
"""It answered its example; it serves and was not asked one; it did not roll out or answer."""
_KEPT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found of one description; it never has a value of an example or an answer.

    Attributes:
        result: one of :data:`RESULTS`.
        revision: which description, as the record names it.
        version: of the model, as people say it: ``v3``.
        at: when, in RFC 3339, UTC.
        step: what failed: ``answer`` or ``roll out``; "" where nothing did.
        status: the HTTP status, 0 without one.
        seconds: until the answer was there.
        shape: of the answer.
        why: it failed, or was not verified, with the remedy.
        updated: of one that failed, the registry's stamp of the version then.
    """

    result: str
    revision: str
    version: str
    at: str = ""
    step: str = ""
    status: int = 0
    seconds: float = 0.0
    shape: str = ""
    why: str = ""
    updated: int = 0

    def __str__(self) -> str:
        """``verified: HTTP 200 in 0.12 s, 3 predictions``, ``v4 did not answer at …: …``."""
        if self.result == "failed":
            when = f" at {minute(self.at)}" if self.at else ""
            return f"{self.version} did not {self.step}{when}: {self.why}"
        if self.result == "verified":
            return f"verified: HTTP {self.status} in {self.seconds:.2f} s, {self.shape}"
        return f"unverified: {self.why}"


def subject(live: LiveDeployment) -> Verification:
    """Return what is going to be found of ``live``, with nothing found yet."""
    first = live.served[0].version if live.served else "?"
    return Verification(
        result="unverified", revision=history.revision(live.body), version=f"v{first}"
    )


def all_of(live: LiveDeployment) -> tuple[Verification, ...]:
    """Return what was found of each description of ``live``, the newest first."""
    return _read(live, VERIFIED)


def failures(live: LiveDeployment) -> tuple[Verification, ...]:
    """Return what gave way and is not tried again, the newest first."""
    return _read(live, FAILED)


def of(live: LiveDeployment) -> Verification | None:
    """Return what was found of what ``live`` is now, None where nobody looked."""
    revision = history.revision(live.body)
    return next((each for each in all_of(live) if each.revision == revision), None)


def is_followed(live: LiveDeployment) -> bool:
    """Whether ``live`` was written to be followed, and has not been found to serve or to fail.

    One that failed goes on being followed until what served before is back.
    """
    newest = next(iter(history.entries(live)), None)
    revision = history.revision(live.body)
    if newest is None or newest.follow is None or newest.revision != revision:
        return False
    return of(live) is None or gives_way(live)


def gives_way(live: LiveDeployment) -> bool:
    """Whether ``live`` is marked as failed itself: what served before is not back yet."""
    return history.revision(live.body) in {each.revision for each in failures(live)}


def held(manifest: Manifest, live: LiveDeployment) -> str | None:
    """Return why ``manifest`` is not tried again over ``live``, None where it may be.

    It may once the version was promoted anew, which its stamp shows, or somebody pinned it.
    """
    revision = history.revision(manifest.body)
    if manifest.pin or revision == history.revision(live.body):
        return None
    for each in failures(live):
        if each.revision == revision and manifest.models[0].updated <= each.updated:
            serves = f"{history.Entry(live.served, '', '')} serves"
            return f"{each}; {serves}; `m2s retry {live.key.name}` tries {each.version} again"
    return None


Marks = Mapping[str, str | None]
"""Annotations to be set, and those of None to be removed."""


def noted(live: LiveDeployment, found: Verification, *, failed: bool = False) -> Marks:
    """Return the annotations of ``live`` with what was found; ``failed``: not to be tried again."""
    found = replace(found, why=one_line(found.why))
    marks = {VERIFIED: _text([found, *_others(all_of(live), found)])}
    return marks | ({FAILED: _text([found, *_others(failures(live), found)])} if failed else {})


def forgiven(live: LiveDeployment) -> Marks:
    """Return the annotations of ``live`` by which everything may be tried again."""
    failed = {each.revision for each in failures(live)}
    found = [each for each in all_of(live) if each.revision not in failed]
    return {VERIFIED: _text(found) if found else None, FAILED: None}


def _others(found: Iterable[Verification], new: Verification) -> list[Verification]:
    return [each for each in found if each.revision != new.revision]


def _text(found: Iterable[Verification]) -> str:
    items = [
        {name: value for name, value in asdict(each).items() if value} for each in [*found][:_KEPT]
    ]
    return json.dumps(items, separators=(",", ":"), ensure_ascii=False)


def _read(live: LiveDeployment, name: str) -> tuple[Verification, ...]:
    try:
        items = json.loads(live.annotations.get(name, "[]"))
    except (ValueError, RecursionError):
        return ()
    found = map(_verification, items if isinstance(items, list) else [])
    return tuple(each for each in found if each is not None)


def _verification(item: Any) -> Verification | None:
    """Read what :func:`_text` wrote; None for what anybody else made of it."""
    if not isinstance(item, Mapping):
        return None
    try:
        found = Verification(**item)
    except TypeError:
        return None
    defaults = asdict(Verification(result="", revision="", version=""))
    kinds = {name: int | float if name == "seconds" else type(defaults[name]) for name in defaults}
    fits = all(isinstance(getattr(found, name), kind) for name, kind in kinds.items())
    return found if fits and found.result in RESULTS else None
