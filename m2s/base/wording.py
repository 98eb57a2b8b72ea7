"""Words and times as a person reads them."""

from __future__ import annotations

import os
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


def dead_proxy(url: str, used: str | None = None) -> str:
    """Return that the proxy which requests to ``url`` go through does not work, by its name.

    ``used`` is the proxy, None where the environment alone decides.
    """
    for name in (f"{url.partition('://')[0].lower()}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            value = os.environ.get(variable)
            if value and used in (None, value):
                return f"the proxy {variable}={value} does not work"
    return f"the proxy {used or 'of the environment'} does not work"


_LONGEST = 600
_READ = 64 * 1024
"""Characters of a text that are looked at."""


def one_line(text: str) -> str:
    """Return ``text`` in one line of bounded length, with no token or password in it."""
    flat = mask.text(" ".join(text[:_READ].split()))
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
