"""Which serving platforms there are. The only module that names one; each is imported when used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib import import_module
from typing import Any

from m2s.base.errors import M2sError, UsageError
from m2s.base.names import meant
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import COMPANIONS, Resource
from m2s.domain.versions import Key
from m2s.objects.body import Body
from m2s.platforms.platform import Platform


@dataclass(frozen=True, slots=True)
class Row:
    """A platform: its name, the kind that it serves, and ``module:class`` of what knows it.

    ``shared``: its API group has other kinds, so that one which is not like this is no mistake.
    """

    name: str
    resource: Resource
    where: str
    shared: bool = False

    def is_half(self, kind: object, group: str) -> bool:
        """Whether an object is of this group, and of a kind that may have been meant for it."""
        if group != self.resource.group:
            return False
        like = SequenceMatcher(None, str(kind).lower(), self.resource.kind.lower()).ratio()
        return not (self.shared and isinstance(kind, str)) or like > 0.93


ROWS: tuple[Row, ...] = (
    Row(
        "seldon",
        Resource(
            "machinelearning.seldon.io", "v1", "SeldonDeployment", "seldondeployments",
            "Seldon Core v1", ("v1alpha2", "v1alpha3"), "sdep",
        ),
        "m2s.platforms.seldon.platform:Seldon",
    ),
    Row(
        "kserve",
        Resource(
            "serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices", "KServe",
            short="isvc",
        ),
        "m2s.platforms.kserve.platform:KServe",
        shared=True,
    ),
    Row(
        "deployment",
        Resource("apps", "v1", "Deployment", "deployments", short="deploy"),
        "m2s.platforms.deployment.platform:Deployment",
        shared=True,
    ),
)  # fmt: skip
"""The first one serves versions that do not say by what."""


def default(name: str | None = None) -> Platform:
    """Return the platform of a version that does not say by what it is served.

    ``name`` is what ``--platform`` says. UsageError: there is no such platform.
    """
    if name is None:
        return _made(ROWS[0])
    found = next((row for row in ROWS if row.name == name), None)
    if found is None:
        raise UsageError(f"platform {name!r}: no such one; {meant(name, names())}")
    return _made(found)


def names() -> list[str]:
    """Return what the platforms are called."""
    return [row.name for row in ROWS]


def of(key: Key) -> Platform:
    """Return the platform that an object is of."""
    return _made(next(row for row in ROWS if row.resource.kind == key.kind))


def of_body(body: Any) -> Platform | None:
    """Return the platform of a document by its kind, or by its API group where the kind is odd.

    What is only half of one is one with a mistake in it. None for any other object.
    """
    if not isinstance(body, dict):
        return None
    return _of(body.get("kind"), body.get("apiVersion"))


def _of(kind: object, api_version: object) -> Platform | None:
    group = str(api_version).partition("/")[0]
    by_kind = [row for row in ROWS if row.resource.kind == kind]
    found = by_kind or [row for row in ROWS if row.is_half(kind, group)]
    return _made(found[0]) if found else None


def is_other(kind: str, api_version: str) -> bool:
    """Whether a document's own words say that it is of no platform, such as a Secret."""
    return _of(kind, api_version) is None


def resource(about: Key | str) -> Resource:
    """Return the kind of an object, or of this name, as the API server names it."""
    kind = about if isinstance(about, str) else about.kind
    return next(each for each in (*every(), *COMPANIONS) if each.kind == kind)


def companions(kind: str) -> tuple[Resource, ...]:
    """Return the kinds of what a deployment of this kind has beside its primary object."""
    return of(Key("", "", kind)).companions


def serves(kind: str) -> bool:
    """Whether this is the kind of a platform's primary objects, and not of a companion."""
    return kind in {each.kind for each in every()}


def live(key: Key, primary: Body, beside: tuple[Body, ...]) -> LiveDeployment:
    """Return a deployment as it is stored: one that does not fit together has a fault (law 12)."""
    if not companions(key.kind):
        return LiveDeployment(key, primary)
    try:
        seen, fault = of(key).seen(primary, beside), ""
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        seen, fault = primary, f"the objects that it is stored as do not fit: {error!r}"
    return LiveDeployment(key, seen, fault, (primary, *beside))


def by_plural(plural: str) -> Resource | None:
    """Return the kind that URLs and Roles call so; None for another one."""
    return next((each for each in (*every(), *COMPANIONS) if each.plural == plural), None)


def every() -> tuple[Resource, ...]:
    """Return every kind that m2s knows."""
    return tuple(row.resource for row in ROWS)


def resources(name: str | None = None, others: Iterable[str] = ()) -> tuple[Resource, ...]:
    """Return the kinds that are looked at though no description names them.

    They are that of ``--platform``, ``name``, and those of ``platforms`` in m2s.yaml. UsageError:
    there is no platform that is called so.
    """
    return tuple(dict.fromkeys(default(each).resource for each in (name, *others)))


def watched(name: str | None, others: Iterable[str]) -> tuple[Resource, ...]:
    """Return the kinds of :func:`resources`, and those of the companions beside them."""
    used = resources(name, others)
    return tuple(dict.fromkeys((*used, *(each for one in used for each in companions(one.kind)))))


def called(name: str, keys: Iterable[Key]) -> Key | None:
    """Return which object a person means by ``NAME``, or ``KIND/NAME`` as kubectl has it.

    M2sError: several platforms have one of this name.
    """
    kind, _, bare = name.rpartition("/")
    found = [key for key in dict.fromkeys(keys) if key.name == bare]
    if kind:
        found = [key for key in found if key.kind == kind_of(kind)]
    if len(found) > 1:
        several = " and ".join(f"{each.kind.lower()}/{bare}" for each in found)
        raise M2sError(f"there are {several}: say which one")
    return next(iter(found), None)


def kinds_in(name: str) -> tuple[str, ...]:
    """Return the kind that ``KIND/NAME`` says, () for a name alone. UsageError: there is none."""
    word, slash, _ = name.rpartition("/")
    kind = kind_of(word)
    if slash and kind is None:
        known = [row.resource.kind.lower() for row in ROWS]
        raise UsageError(f"{name}: no kind of deployment is called {word!r}; {meant(word, known)}")
    return (kind,) if kind else ()


def kind_of(word: str) -> str | None:
    """Return the kind that a person calls so: by its name, its plural or its short name."""
    for row in ROWS:
        r, told = row.resource, word.lower()
        if told and told in (r.kind.lower(), r.plural, r.right, r.short, row.name):
            return r.kind
    return None


def mixed(keys: Iterable[Key]) -> bool:
    """Whether any object is of another platform than the first one."""
    return any(key.kind != ROWS[0].resource.kind for key in keys)


@cache
def _made(row: Row) -> Platform:
    module, _, name = row.where.partition(":")
    made: Platform = getattr(import_module(module), name)(row.name, row.resource)
    return made
