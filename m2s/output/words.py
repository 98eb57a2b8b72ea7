"""Pure: deployments and versions as people are shown them, in a table or on a page."""

import re
from collections.abc import Iterable, Iterator, Sequence

from m2s.base import printable
from m2s.base.wording import told
from m2s.domain.versions import Key, Served
from m2s.plan.changes import Blocked, Change, Unchanged, Update
from m2s.plan.plan import models_of, served_of
from m2s.platforms import catalogue

MAX_QUIET = 20
"""How many unchanged rows are listed one by one; more are only counted."""


def title(name: str, served: Iterable[Served]) -> str:
    """Return a deployment's name, and on a line below its models where it does not tell them."""
    names = list(dict.fromkeys(one.model for one in served))
    obvious = len(names) == 1 and name.startswith(names[0])
    own = printable.line(name)
    return own if not names or obvious else f"{own}\n({printable.line(told(names))})"


def platform(key: Key) -> str:
    """Return what the platform of an object is called."""
    return catalogue.of(key).name


def platforms(keys: Iterable[Key]) -> frozenset[str]:
    """Return the platforms of several objects, nothing where all are of one and need no column."""
    found = frozenset(map(platform, keys))
    return found if len(found) > 1 else frozenset()


def versions(served: Sequence[Served]) -> str:
    """Return ``v4``; of several versions ``v3, v4``, of several models ``2 models``."""
    several = len({one.model for one in served})
    if several > 1:
        return f"{several} models"
    known = (f"v{one.version}" for one in served if one.version or len(served) > 1)
    return printable.line(", ".join(known))


def version(change: Change) -> str:
    """Return ``v3 → v4`` where a change moves it, else as :func:`versions`."""
    served = served_of(change)
    new = models_of(change)[1]
    live = change.live.version if isinstance(change, Update | Blocked) and change.live else None
    moved = len(served) == 1 and live and new and live != new
    return printable.line(f"v{live} → v{new}") if moved else versions(served)


def noteworthy(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes to list one by one: all but what is as wanted, where that is much."""
    changes = list(changes)
    quiet = sum(_is_quiet(change) for change in changes)
    for change in changes:
        if quiet <= MAX_QUIET or not _is_quiet(change):
            yield change


def _is_quiet(change: Change) -> bool:
    warned = isinstance(change, Unchanged) and change.manifest and change.manifest.warnings
    return isinstance(change, Unchanged) and not change.reason and not warned


_SPECIAL = re.compile(r"[\\|<>*_\[\]~&]")
_GAP = re.compile(r"([\s|`]+|(?<![,;])[,;]++(?=\s|$))")
# What GitHub and GitLab turn into a mention, a reference, a link or a formula, code apart.
_ACTIVE = re.compile(r"@\w|[#!&%~]\w|\$|(?i:https?|ftp)://|(?i:www)\.|(?i:gh)-\d")


def cell(text: str) -> str:
    """Return ``text`` as a cell of a Markdown table, or any text in it, shows it.

    Nothing in it is Markdown or HTML; what would notify somebody, or be a link, becomes code.
    """
    return "<br>".join(map(_inert, text.split("\n")))


def _inert(line: str) -> str:
    parts = _GAP.split(printable.line(line))
    return "".join(
        f"`{part}`" if _ACTIVE.search(part) else _escaped(part).replace("`", "&#96;")
        for part in parts
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)
