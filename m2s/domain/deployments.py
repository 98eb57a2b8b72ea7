"""A deployment as the cluster has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from m2s.base.labels import (
    KEEP,
    MANAGED_BY,
    MODEL,
    MODEL_VERSION,
    MODELS,
    OWNER,
    PAUSED,
    PINNED,
    TEMPLATE,
    is_set,
)
from m2s.domain.versions import Key, Served
from m2s.objects.body import Body, comparable, digest


@dataclass(frozen=True)
class LiveDeployment:
    """A deployment as the cluster has it, ours or anybody's.

    ``fault`` says why one cannot be read or compared; its ``body`` has then only what can be. Such
    a one is left as it is (law 12). ``parts`` are the objects that ``body`` is made of, the primary
    one first, each as it is stored; () where ``body`` itself is stored.
    """

    key: Key
    body: Body
    fault: str = ""
    parts: tuple[Body, ...] = ()

    @property
    def stored(self) -> tuple[Body, ...]:
        """The objects that it is stored as, the primary one first."""
        return self.parts or (self.body,)

    @property
    def unreadable(self) -> str | None:
        """Why it stays as it is, in words; None where it can be read."""
        return f"it cannot be read, so it is left as it is: {self.fault}" if self.fault else None

    @property
    def singly(self) -> tuple[LiveDeployment, ...]:
        """Return each object that it is stored as, as if it were alone."""
        return tuple(
            LiveDeployment(Key(self.key.namespace, part["metadata"]["name"], part["kind"]), part)
            for part in self.parts
        ) or (self,)

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = self.body.get("metadata") or {}
        return metadata

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Never None."""
        return self._metadata.get("labels") or {}

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """Never None."""
        return self._metadata.get("annotations") or {}

    @cached_property
    def owner(self) -> str | None:
        """The owner label, or None for an object that m2s does not manage."""
        if self.labels.get(MANAGED_BY) != "m2s":
            return None
        return self.labels.get(OWNER)

    @property
    def model(self) -> str | None:
        """The registered model it serves."""
        return self.annotations.get(MODEL)

    @property
    def version(self) -> str | None:
        """The model version it serves, in decimal."""
        return self.annotations.get(MODEL_VERSION)

    @property
    def template(self) -> str:
        """The file of the templates folder that it was made from, "" for none."""
        return self.annotations.get(TEMPLATE, "")

    @cached_property
    def served(self) -> tuple[Served, ...]:
        """Every version it serves, the one that decides first; () where that is unknown."""
        listed = _listed(self.annotations.get(MODELS, ""))
        single = (Served(self.model, self.version or ""),) if self.model else ()
        return listed or single

    @property
    def keep(self) -> bool:
        """Whether somebody asked that it never be deleted."""
        return is_set(self.annotations.get(KEEP))

    @property
    def paused(self) -> bool:
        """Whether somebody asked that it be left as it is."""
        return is_set(self.annotations.get(PAUSED))

    @property
    def pin(self) -> str:
        """Which of the versions it served it shall go on serving, as a person names it; "" none."""
        return self.annotations.get(PINNED, "").strip()

    @property
    def resource_version(self) -> str:
        """The API server's opaque version, or the folder's content hash."""
        return str(self._metadata.get("resourceVersion", ""))

    @property
    def uid(self) -> str:
        """Empty in a folder."""
        return str(self._metadata.get("uid", ""))

    @property
    def created(self) -> str:
        """When it was created (RFC 3339), "" in a folder."""
        return str(self._metadata.get("creationTimestamp") or "")

    @property
    def deleting(self) -> str:
        """Since when it is being deleted (RFC 3339), "" where nobody asked for that."""
        return str(self._metadata.get("deletionTimestamp") or "")

    @property
    def finalizers(self) -> tuple[str, ...]:
        """What a deletion waits for."""
        return tuple(map(str, self._metadata.get("finalizers") or ()))

    @property
    def generation(self) -> int:
        """Counts changes of the spec; 0 in a folder."""
        return int(self._metadata.get("generation", 0))

    @property
    def managed_fields(self) -> tuple[Mapping[str, Any], ...]:
        """The API server's record of who wrote which field, and when."""
        return tuple(self._metadata.get("managedFields") or ())

    @cached_property
    def digest(self) -> str:
        """Identity of what m2s compares; a status update leaves it, not resourceVersion, alone."""
        return digest(comparable(self.body))


def listing(served: Iterable[Served]) -> str:
    """Return the annotation that tells the versions a deployment serves."""
    return json.dumps(list(map(listed, served)), separators=(",", ":"), ensure_ascii=False)


def listed(one: Served) -> dict[str, str]:
    """Return one item of a :func:`listing`."""
    alias = {"alias": one.alias} if one.alias else {}
    return {"model": one.model, "version": one.version, **alias}


def _listed(text: str) -> tuple[Served, ...]:
    """Read what :func:`listing` wrote; () for what anybody else made of it."""
    try:
        return told_by(json.loads(text))
    except (ValueError, RecursionError):
        return ()


def told_by(items: Any) -> tuple[Served, ...]:
    """Return the versions that a decoded :func:`listing` tells; () where it is none."""
    try:
        found = [Served(one["model"], one["version"], one.get("alias", "")) for one in items]
    except (TypeError, KeyError, AttributeError):
        return ()
    texts = [text for one in found for text in (one.model, one.version, one.alias)]
    return tuple(found) if all(isinstance(text, str) for text in texts) else ()
