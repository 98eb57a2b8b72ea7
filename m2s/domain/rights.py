"""What may be done in the place where m2s deploys, and what a command needs of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource in the namespace; ``name`` is "" for any object of the resource.

    A folder of manifests is one to ``read`` and to ``write``.
    """

    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        """As a Role has it: ``patch seldondeployments.machinelearning.seldon.io``."""
        return " ".join(filter(None, (self.verb, self.resource, self.name)))


@dataclass(frozen=True, slots=True)
class Need:
    """What a command, or a part of one, asks for.

    One that is not ``needed`` was not asked for by the settings, or is done where it may be done:
    ``without`` says which.
    """

    what: str
    rights: tuple[Right, ...]
    needed: bool = True
    without: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """What a place says of itself ("" for what it does not tell) and of what may be done there.

    ``problems`` are what keeps every command from working, a line each.
    """

    version: str = ""
    account: str = ""
    missing: frozenset[Right] = frozenset()
    problems: tuple[str, ...] = ()


def told(rights: Iterable[Right]) -> str:
    """Return rights as people say them: ``get, list seldondeployments; get secrets``."""
    by_object = groupby(sorted(rights), key=lambda right: (right.resource, right.name))
    return "; ".join(
        f"{', '.join(right.verb for right in same)} {resource.partition('.')[0]} {name}".strip()
        for (resource, name), same in by_object
    )


def every(needs: Iterable[Need]) -> tuple[Right, ...]:
    """Return all the rights, each once."""
    return tuple(sorted({right for need in needs for right in need.rights}))
