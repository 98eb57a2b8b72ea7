"""Pure: whose turn it is: what a model leaves goes, or passes on, once its successor serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from m2s.domain.versions import Key
from m2s.plan.changes import Change, loses
from m2s.plan.plan import brings


def successor(change: Change) -> Key | None:
    """Return the object that serves from now on what a change ends serving, if there is one."""
    lost = loses(change)
    return lost.successor if lost else None


def unserved(changes: Iterable[Change], written: Iterable[Key]) -> set[Key]:
    """Return the objects that do not serve yet what the plan's ``changes`` bring them."""
    return {change.key for change in changes if brings(change)} - set(written)


def ready(left: Mapping[int, Change], waiting: set[Key]) -> dict[int, Change]:
    """Return the takeovers in ``left`` whose turn it is; {} where each waits in vain.

    One waits while its successor is ``waiting`` to serve. Where models exchange their names all of
    them wait for one another; then it is everybody's turn.
    """
    due = {n: each for n, each in left.items() if successor(each) not in waiting}
    return due or _ring(left)


def _ring(left: Mapping[int, Change]) -> dict[int, Change]:
    ring = dict(left)
    while ring:
        keys = {each.key for each in ring.values()}
        inner = {n: each for n, each in ring.items() if successor(each) in keys}
        if len(inner) == len(ring):
            return ring
        ring = inner
    return {}
