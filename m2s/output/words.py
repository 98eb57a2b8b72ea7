"""Pure: deployments and versions as people are shown them, in a table or on a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from m2s.base.wording import told
from m2s.domain.versions import Served
from m2s.plan.changes import Blocked, Change, Unchanged, Update
from m2s.plan.plan import models_of, served_of

MAX_QUIET = 20
"""How many unchanged rows are listed one by one; more are only counted."""


def title(name: str, served: Iterable[Served]) -> str:
    """Return a deployment's name, and on a line below its models where it does not tell them."""
    names = list(dict.fromkeys(one.model for one in served))
    obvious = len(names) == 1 and name.startswith(names[0])
    return name if not names or obvious else f"{name}\n({told(names)})"


def versions(served: Sequence[Served]) -> str:
    """Return ``v4``; of several versions ``v3, v4``, of several models ``2 models``."""
    several = len({one.model for one in served})
    if several > 1:
        return f"{several} models"
    return ", ".join(f"v{one.version}" for one in served if one.version or len(served) > 1)


def version(change: Change) -> str:
    """Return ``v3 → v4`` where a change moves it, else as :func:`versions`."""
    served = served_of(change)
    new = models_of(change)[1]
    live = change.live.version if isinstance(change, Update | Blocked) and change.live else None
    moved = len(served) == 1 and live and new and live != new
    return f"v{live} → v{new}" if moved else versions(served)


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


def cell(text: str) -> str:
    """Return ``text`` as a cell of a Markdown table, or any text in it, shows it."""
    for character in "\\|<>*_`[]":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", "<br>")
