"""What preflight reads for a platform, and what it could not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from m2s.domain.resource import Resource
from m2s.domain.versions import MlModel, Unchecked
from m2s.objects.body import Body

SecretKeys = frozenset[str] | Unchecked | None
"""The names of a Secret's data, never the data; None when there is no such Secret."""


UNKNOWN = Unchecked("")


@dataclass(frozen=True, slots=True)
class Look:
    """Objects of the cluster to look at: all of a kind, or the one of a name.

    ``namespace`` is "" for a kind that is in none. With ``first`` one object is enough. A resource
    without a plural is its API group's own list of kinds, ``APIResourceList``.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    first: bool = False


Seen = tuple[Body, ...] | Unchecked
"""What a :class:`Look` finds: nothing also where the cluster does not know such a kind."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What to read for a manifest: names in its namespace, model URIs, and objects elsewhere."""

    secrets: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    looks: frozenset[Look] = frozenset()

    @staticmethod
    def of_all(every: Iterable[Needs]) -> Needs:
        """Return what several manifests need, each name once."""
        given = tuple(every)
        return Needs(
            frozenset().union(*(each.secrets for each in given)),
            frozenset().union(*(each.accounts for each in given)),
            frozenset().union(*(each.uris for each in given)),
            frozenset().union(*(each.looks for each in given)),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read, by the names and model URIs of :class:`Needs`; a missing entry is unknown."""

    secrets: Mapping[str, SecretKeys] = field(default_factory=dict)
    accounts: Mapping[str, bool | Unchecked] = field(default_factory=dict)
    models: Mapping[str, MlModel | Unchecked | None] = field(default_factory=dict)
    looks: Mapping[Look, Seen] = field(default_factory=dict)

    def seen(self, look: Look) -> tuple[Body, ...] | None:
        """Return what a look found, None where that is not known."""
        found = self.looks.get(look, UNKNOWN)
        return None if isinstance(found, Unchecked) else found


def unchecked(facts: Facts) -> tuple[str, ...]:
    """Return one line for each kind of thing that could not be looked at, and why."""
    return (
        *_unread("Secret", facts.secrets),
        *_unread("ServiceAccount", facts.accounts),
        *_unread("MLmodel of", facts.models),
        *_unread("", {look.resource.kind: found for look, found in facts.looks.items()}),
    )


def _unread(kind: str, found: Mapping[str, object]) -> Iterator[str]:
    named = {name: each.reason for name, each in found.items() if isinstance(each, Unchecked)}
    told = sorted((name, reason) for name, reason in named.items() if reason)
    if told:
        name, reason = told[0]
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        yield f"{kind} {name}{more}: {reason}".lstrip()
