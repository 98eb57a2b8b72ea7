"""Words and times as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from m2s.base import mask


def told(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and 7 more``: what still fits on a line."""
    items = list(dict.fromkeys(words))
    if len(items) > 3:
        items = [*items[:2], f"{len(items) - 2} more"]
    *head, last = items or [""]
    return f"{', '.join(head)} and {last}" if head else last


def minute(time: str) -> str:
    """Return an RFC 3339 time as ``2026-11-21 12:03 UTC``, "" for what is none."""
    try:
        moment = datetime.fromisoformat(time)
        utc = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f"{utc:%Y-%m-%d %H:%M} UTC"


_LONGEST = 600


def one_line(text: str) -> str:
    """Return ``text`` in one line of bounded length, with no token or password in it."""
    flat = mask.text(" ".join(text.split()))
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
